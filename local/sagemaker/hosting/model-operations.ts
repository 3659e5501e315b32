import * as z from 'zod';
import { NoLocalImageError, servingImageFor } from '../container/images.ts';
import type { Scope } from '../core/arn.ts';
import { epochSeconds } from '../core/clock.ts';
import { validationException } from '../core/errors.ts';
import { pick } from '../core/fields.ts';
import { listInput, listResources } from '../core/listing.ts';
import { type Operations, operation } from '../core/operation.ts';
import type { Resource } from '../core/store.ts';
import type { HostedResources } from './hosted-resources.ts';
import { findModelFiles } from './model-files.ts';
import { containerDefinition, deployedModel, type ModelRecord, modelDataProblem } from './model-resource.ts';
import { scopeOf, tagList } from './request.ts';

const createInput = z.looseObject({
  ModelName: z.string(),
  ExecutionRoleArn: z.string().optional(),
  PrimaryContainer: containerDefinition.optional(),
  Containers: z.array(containerDefinition).optional(),
  EnableNetworkIsolation: z.boolean().optional(),
  Tags: tagList.optional(),
});
const nameInput = z.looseObject({ ModelName: z.string() });
const members = [
  'ModelName',
  'PrimaryContainer',
  'Containers',
  'InferenceExecutionConfig',
  'ExecutionRoleArn',
  'VpcConfig',
  'EnableNetworkIsolation',
];

/** CreateModel, DescribeModel, ListModels, DeleteModel. */
export function modelOperations(hosted: HostedResources): Operations {
  const { models, store, platform, clock } = hosted;
  const resources = ({ ModelName }: { ModelName: string }, scope: Scope) => [models.arn(scope, ModelName)];

  const tell = (model: Resource<ModelRecord>) =>
    platform.publish('SageMaker Model State Change', 'DescribeModelOutput', model, describe(model));

  return {
    CreateModel: operation({
      input: createInput,
      resources,
      roles: ({ ExecutionRoleArn }) => (ExecutionRoleArn === undefined ? [] : [ExecutionRoleArn]),
      handle: async (input, call) => {
        const { ExecutionRoleArn } = input;
        const exists = () => {
          if (!models.get(call, input.ModelName)) return;
          throw validationException(`Cannot create already existing model "${models.arn(call, input.ModelName)}".`);
        };
        exists();
        if (ExecutionRoleArn === undefined)
          throw validationException('ExecutionRoleArn is required for a model with a container.');
        const record = { ...input, ExecutionRoleArn };
        const { image, source } = deployedModel(record, store);
        try {
          servingImageFor(platform.core.images, image);
        } catch (error) {
          if (error instanceof NoLocalImageError) throw validationException(error.message);
          throw error;
        }
        // The role has to exist and to trust SageMaker, whether or not there is model data to read with it.
        const s3 = await platform.s3As(ExecutionRoleArn, call);
        if (source) {
          await findModelFiles(s3, source).catch((error: unknown) => {
            throw validationException(modelDataProblem(error, source.uri, ExecutionRoleArn, call));
          });
        }
        // Another request may have made it while S3 was asked.
        exists();
        const description = {
          ...pick(input, members),
          ModelName: input.ModelName,
          ExecutionRoleArn,
          CreationTime: epochSeconds(clock),
        };
        const model = models.create(scopeOf(call), input.ModelName, description, input.Tags);
        tell(model);
        return { ModelArn: model.arn };
      },
    }),

    DescribeModel: operation({
      input: nameInput,
      resources,
      handle: ({ ModelName }, call) => describe(hosted.modelNamed(call, ModelName)),
    }),

    ListModels: operation({
      input: listInput,
      handle: (input, call) =>
        listResources(
          {
            collection: models,
            member: 'Models',
            summary: (model) => ({
              ModelName: model.name,
              ModelArn: model.arn,
              CreationTime: model.description.CreationTime,
            }),
            defaultOrder: 'Descending',
          },
          input,
          call,
        ),
    }),

    DeleteModel: operation({
      input: nameInput,
      resources,
      handle: ({ ModelName }, call) => {
        const model = hosted.modelNamed(call, ModelName);
        models.delete(model);
        tell(model);
        return {};
      },
    }),
  };
}

function describe(model: Resource<ModelRecord>) {
  return { ...model.description, ModelArn: model.arn };
}
