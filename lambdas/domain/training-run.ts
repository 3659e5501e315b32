/** A training run: its identity, and the SageMaker request that carries it out. */
import { createHash } from 'node:crypto';
import type { CreateTrainingJobCommandInput } from '@aws-sdk/client-sagemaker';
import { hasLocalStorage } from '../contract/instances.ts';
import { datasetKey, modelKey, trainingJobName } from '../contract/keys.ts';
import type { TrainingRunRecord } from '../contract/records.ts';
import type { ProjectSettings } from '../contract/settings.ts';
import { type ImageRegistries, imageUri, instanceOf, scriptEntrypoint, WITHOUT_NETWORK } from './jobs.ts';

/**
 * The first 12 hexadecimal digits of the SHA-256 of all that decides what a run would learn: data, code, images,
 * hyperparameters, split, seed, and the family of instance. Same identity, same run, within one installation: SageMaker's
 * jobs outlive an environment, and their artifacts are out of reach for the next.
 */
export function runIdentity(settings: ProjectSettings, manifestId: string, installation: string): string {
  const { training, code } = settings;
  const identity = {
    installation,
    manifestId,
    window: training.window ?? null,
    holdOut: training.holdOut,
    // Absent by row, as in the runs before there was a choice.
    ...(training.holdOutBy === 'day' && { holdOutBy: training.holdOutBy }),
    seed: training.seed,
    code: code.sha256,
    algorithm: training.algorithm.name,
    image: training.algorithm.image,
    // Another image that serves is another model in service. Left out where there is none, as it was before there was one.
    ...(training.algorithm.servingImage !== undefined && { servingImage: training.algorithm.servingImage }),
    hyperparameters: Object.entries(training.algorithm.hyperparameters).sort(([a], [b]) => (a < b ? -1 : 1)),
    instanceFamily: (training.instances[0] ?? '').split('.')[1] ?? '',
  };
  return createHash('sha256').update(JSON.stringify(identity)).digest('hex').slice(0, 12);
}

export interface TrainingJobPlaces {
  readonly environment: string;
  readonly roleArn: string;
  readonly keyArn: string;
  readonly datasetBucket: string;
  readonly modelBucket: string;
  readonly registries: ImageRegistries;
  readonly region: string;
}

/** CreateTrainingJob for the present attempt of a run. */
export function trainingJobRequest(
  settings: ProjectSettings,
  run: TrainingRunRecord,
  places: TrainingJobPlaces,
): CreateTrainingJobCommandInput {
  const { training } = settings;
  const project = settings.name;
  const jobName = trainingJobName.build(places.environment, { project, runId: run.runId, attempt: run.attempt });
  const instance = instanceOf(training.instances, run.instance);
  return {
    TrainingJobName: jobName,
    RoleArn: places.roleArn,
    AlgorithmSpecification: {
      TrainingImage: imageUri(places.registries, run.image),
      TrainingInputMode: 'File',
      // No MetricDefinitions: SageMaker refuses them for its algorithms' images, of which XGBoost's is one, and nothing reads them.
      EnableSageMakerMetricsTimeSeries: false,
      // Not by the images' toolkits: docs/decisions/0010-scripts-without-toolkit.md.
      ContainerEntrypoint: scriptEntrypoint(CODE, '/opt/ml/code', 'train.py'),
    },
    HyperParameters: {
      ...training.algorithm.hyperparameters,
      seed: String(training.seed),
      // What the toolkits read, for a SageMaker that takes no entrypoint (inScriptMode). A path, not an S3 address: under
      // network isolation the container cannot fetch its code, so a channel brings it.
      sagemaker_program: 'train.py',
      sagemaker_submit_directory: CODE,
      sagemaker_region: places.region,
    },
    Environment: WITHOUT_NETWORK,
    InputDataConfig: [
      {
        ChannelName: 'dataset',
        ContentType: contentType[settings.data.format],
        DataSource: {
          S3DataSource: {
            S3DataType: 'ManifestFile',
            S3Uri: `s3://${places.datasetBucket}/${datasetKey.channel(project, run.runId)}`,
            S3DataDistributionType: 'FullyReplicated',
          },
        },
      },
      {
        ChannelName: 'code',
        DataSource: {
          S3DataSource: {
            S3DataType: 'S3Prefix',
            S3Uri: `s3://${places.modelBucket}/${modelKey.code(project, settings.code.sha256)}`,
            S3DataDistributionType: 'FullyReplicated',
          },
        },
      },
    ],
    OutputDataConfig: { S3OutputPath: `s3://${places.modelBucket}/${modelKey.runs(project)}`, KmsKeyId: places.keyArn },
    CheckpointConfig: { S3Uri: `s3://${places.modelBucket}/${modelKey.checkpoints(project, run.runId)}` },
    ResourceConfig: {
      InstanceType: instanceType(instance),
      InstanceCount: 1,
      VolumeSizeInGB: training.volumeGiB,
      ...(hasLocalStorage(instance) ? {} : { VolumeKmsKeyId: places.keyArn }),
    },
    StoppingCondition: {
      MaxRuntimeInSeconds: training.maximumRuntimeSeconds,
      ...(training.spot && { MaxWaitTimeInSeconds: training.maximumWaitSeconds }),
    },
    EnableManagedSpotTraining: training.spot,
    EnableNetworkIsolation: true,
    EnableInterContainerTrafficEncryption: true,
    Tags: [
      { Key: 'flywheel:project', Value: project },
      { Key: 'flywheel:run', Value: run.runId },
    ],
  };
}

/** The same job run by its image's toolkit, which reads what the hyperparameters say of the program. */
export function inScriptMode(request: CreateTrainingJobCommandInput): CreateTrainingJobCommandInput {
  const { AlgorithmSpecification: algorithm, ...rest } = request;
  if (algorithm === undefined) return request;
  const { ContainerEntrypoint: _, ...toolkit } = algorithm;
  return { ...rest, AlgorithmSpecification: toolkit };
}

/**
 * URI of the image that evaluates and serves what a run trained. The run says it, not the project's settings: those may have
 * been deployed anew since, with another algorithm.
 * @param trainedOn URI of the image that the run's job had
 */
export function servingImageUri(run: TrainingRunRecord, trainedOn: string, registries: ImageRegistries): string {
  return run.servingImage === undefined ? trainedOn : imageUri(registries, run.servingImage);
}

/** The newest uploads that the training window leaves. */
export function windowOf<T>(objects: readonly T[], window: { readonly versions: number } | undefined): readonly T[] {
  return window ? objects.slice(-window.versions) : objects;
}

/** The code archive in a training container. */
const CODE = '/opt/ml/input/data/code/sourcedir.tar.gz';

const contentType = { csv: 'text/csv', jsonl: 'application/jsonlines', parquet: 'application/x-parquet' } as const;

type InstanceType = NonNullable<NonNullable<CreateTrainingJobCommandInput['ResourceConfig']>['InstanceType']>;
/** The list of types grows faster than any SDK: what SageMaker does not know, it refuses by name. */
function instanceType(name: string): InstanceType {
  return name as InstanceType;
}
