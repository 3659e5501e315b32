import { Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { describe, expect, it } from 'vitest';
import { Access, allow, grant } from '../../lib/constructs/access.ts';
import { testApp } from '../synthesis.ts';

const roleIn = (stack: Stack) => new Role(stack, 'Role', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });

describe('access', () => {
  it('joins variables and permissions', () => {
    const both = new Access({ A: '1' }, [{ actions: ['s3:GetObject'], resources: ['x'] }]).and(
      new Access({ B: '2' }, []),
    );
    expect(both.variables).toEqual({ A: '1', B: '2' });
    expect(both.permissions).toHaveLength(1);
    // @ts-expect-error what was not given is not there
    expect(both.variables.C).toBeUndefined();
  });

  it('becomes the policy of a role', () => {
    const stack = new Stack(testApp(), 'Stack');
    grant(roleIn(stack), allow({ actions: ['sqs:SendMessage'], resources: ['arn:aws:sqs:::q'] }).permissions);
    Template.fromStack(stack).hasResourceProperties('AWS::IAM::Policy', {
      PolicyDocument: { Statement: [{ Effect: 'Allow', Action: 'sqs:SendMessage', Resource: 'arn:aws:sqs:::q' }] },
    });
  });

  it('wants a reason for a pattern', () => {
    const app = testApp();
    grant(roleIn(new Stack(app, 'Stack')), [{ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::b/*'] }]);
    expect(() => app.synth()).toThrow('got the resource pattern arn:aws:s3:::b/*, expected a reason for it');
  });

  it('takes the reason of a pattern', () => {
    const app = testApp();
    const permission = { actions: ['s3:GetObject'], resources: ['arn:aws:s3:::b/*'], patternBecause: 'keys differ' };
    grant(roleIn(new Stack(app, 'Stack')), [permission]);
    expect(() => app.synth()).not.toThrow();
  });
});
