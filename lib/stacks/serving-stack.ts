/** From an approved model to answers: deployments and the HTTP API. */
import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import type { HttpApi } from 'aws-cdk-lib/aws-apigatewayv2';
import type { Construct } from 'constructs';
import { Deployment } from '../constructs/deployment.ts';
import type { EventFunction } from '../constructs/event-function.ts';
import type { Platform } from '../constructs/platform.ts';
import { PredictionApi } from '../constructs/prediction-api.ts';
import type { ProjectRoles } from '../constructs/project-roles.ts';

export interface ServingStackProps extends StackProps {
  readonly platform: Platform;
  readonly roles: ProjectRoles;
}

export class ServingStack extends Stack {
  readonly api: HttpApi;
  readonly functions: readonly EventFunction[];

  constructor(scope: Construct, id: string, { platform, roles, ...props }: ServingStackProps) {
    super(scope, id, props);
    const deployment = new Deployment(this, 'Deployment', { platform, roles });
    const prediction = new PredictionApi(this, 'Prediction', { platform });
    this.api = prediction.api;
    this.functions = [...deployment.functions, ...prediction.functions];
    new CfnOutput(this, 'ApiUrl', { value: prediction.url });
  }
}
