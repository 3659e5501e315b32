import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SageMakerError } from '../../../../local/sagemaker/core/errors.ts';
import type { Fields } from '../../../../local/sagemaker/core/fields.ts';
import { ServiceModel } from '../../../../local/sagemaker/core/service-model.ts';
import { validateInput } from '../../../../local/sagemaker/core/validator.ts';
import { findServiceModel } from '../../../../local/sagemaker/options.ts';
import { forAll } from '../../../domain/for-all.ts';

const model = ServiceModel.read(findServiceModel());
const role = 'arn:aws:iam::000000000000:role/training';
const valid = { TrainingJobName: 'job-1', RoleArn: role, OutputDataConfig: { S3OutputPath: 's3://bucket/out' } };

describe('CreateTrainingJob', () => {
  test('a valid request passes, members unknown to the model included', () => {
    expect(problemOf({ ...valid, Unknown: 1 })).toBeUndefined();
  });

  test('one violation is told with value, path and constraint', () => {
    expect(problemOf({ ...valid, TrainingJobName: 'bad_name' })).toEqual({
      code: 'ValidationException',
      message:
        "1 validation error detected: Value 'bad_name' at 'trainingJobName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}",
    });
  });

  test('missing members are counted and joined', () => {
    expect(problemOf({ TrainingJobName: 'job-1' })?.message).toBe(
      "2 validation errors detected: Value null at 'roleArn' failed to satisfy constraint: Member must not be null; Value null at 'outputDataConfig' failed to satisfy constraint: Member must not be null",
    );
  });

  test.each<[string, Fields, string]>([
    [
      'nested range',
      { StoppingCondition: { MaxRuntimeInSeconds: 0 } },
      "at 'stoppingCondition.maxRuntimeInSeconds' failed to satisfy constraint: Member must have value greater than or equal to 1",
    ],
    [
      'enum',
      { ResourceConfig: { InstanceType: 'ml.none' } },
      "Value 'ml.none' at 'resourceConfig.instanceType' failed to satisfy constraint: Member must satisfy enum value set: [",
    ],
    [
      'list item',
      {
        Tags: [
          { Key: 'a', Value: 'b' },
          { Key: '', Value: 'b' },
        ],
      },
      "Value '' at 'tags.2.member.key' failed to satisfy constraint: Member must have length greater than or equal to 1",
    ],
    [
      'list length',
      { InputDataConfig: [] },
      "at 'inputDataConfig' failed to satisfy constraint: Member must have length greater than or equal to 1",
    ],
    [
      'map value',
      { HyperParameters: { a: 'x'.repeat(2501) } },
      "at 'hyperParameters' failed to satisfy constraint: Map value must satisfy constraint: [Member must have length less than or equal to 2500]",
    ],
    [
      'map key',
      { HyperParameters: { ['k'.repeat(257)]: 'x' } },
      "at 'hyperParameters' failed to satisfy constraint: Map keys must satisfy constraint: [Member must have length less than or equal to 256]",
    ],
  ])('%s', (_case, change, expected) => {
    const problem = problemOf({ ...valid, ...change });
    expect(problem?.code).toBe('ValidationException');
    expect(problem?.message).toContain(expected);
  });

  test.each<[string, Fields, string]>([
    ['number for a string', { TrainingJobName: 1 }, 'NUMBER_VALUE can not be converted to a String'],
    [
      'string for an integer',
      { StoppingCondition: { MaxRuntimeInSeconds: '5' } },
      'STRING_VALUE can not be converted to an Integer',
    ],
    ['structure for a list', { Tags: {} }, 'Start of structure or map found where not expected.'],
  ])('a wrong JSON type is a SerializationException: %s', (_case, change, expected) => {
    expect(problemOf({ ...valid, ...change })).toEqual({ code: 'SerializationException', message: expected });
  });

  test('every name of the documented form passes, and no name of another does', () => {
    const letters = fc.constantFrom(...'abcXYZ019-_. ');
    forAll(fc.string({ unit: letters, minLength: 1, maxLength: 70 }), (name) => {
      const isName = /^[a-zA-Z0-9-]+$/.test(name) && !name.startsWith('-') && !name.endsWith('-');
      // The pattern counts groups of dashes with the letter after them, the length limit counts characters.
      expect(problemOf({ ...valid, TrainingJobName: name }) === undefined).toBe(isName && name.length <= 63);
    });
  });
});

test('timestamps are found by the model, wherever they are', () => {
  const job = {
    CreationTime: 1.5,
    TrainingJobName: 'a',
    SecondaryStatusTransitions: [{ Status: 'Starting', StartTime: 2 }],
    HyperParameters: { CreationTime: '3' },
    StoppingCondition: { MaxRuntimeInSeconds: 4 },
  };
  expect(model.mapTimestamps('DescribeTrainingJobResponse', job, (seconds) => seconds * 1000)).toEqual({
    CreationTime: 1500,
    TrainingJobName: 'a',
    SecondaryStatusTransitions: [{ Status: 'Starting', StartTime: 2000 }],
    HyperParameters: { CreationTime: '3' },
    StoppingCondition: { MaxRuntimeInSeconds: 4 },
  });
});

function problemOf(input: Fields): { code: string; message: string } | undefined {
  try {
    validateInput(model, 'CreateTrainingJob', input);
    return undefined;
  } catch (error) {
    if (error instanceof SageMakerError) return { code: error.code, message: error.message };
    throw error;
  }
}
