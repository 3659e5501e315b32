/** The SageMaker processing job that scores candidate and champion on the same held-out rows. */
import type { CreateProcessingJobCommandInput } from '@aws-sdk/client-sagemaker';
import { hasLocalStorage } from '../contract/instances.ts';
import { datasetKey, modelKey } from '../contract/keys.ts';
import type { EvaluationRecord, ModelRecord } from '../contract/records.ts';
import type { ProjectSettings } from '../contract/settings.ts';
import { instanceOf, scriptEntrypoint } from './jobs.ts';

export interface EvaluationJobPlaces {
  readonly roleArn: string;
  readonly keyArn: string;
  readonly datasetBucket: string;
  readonly modelBucket: string;
}

const ROOT = '/opt/ml/processing';

/** CreateProcessingJob for an evaluation as it stands. The code is the candidate's own archive, so a repeated evaluation runs what the training ran. */
export function evaluationJobRequest(
  settings: ProjectSettings,
  evaluation: Pick<EvaluationRecord, 'jobName' | 'instance'>,
  candidate: ModelRecord,
  codeSha256: string,
  champion: ModelRecord | undefined,
  places: EvaluationJobPlaces,
): CreateProcessingJobCommandInput {
  const project = settings.name;
  const { jobName } = evaluation;
  const instance = instanceOf(settings.training.evaluationInstances, evaluation.instance);
  const input = (name: string, uri: string, type: 'S3Prefix' | 'ManifestFile' = 'S3Prefix') => ({
    InputName: name,
    S3Input: {
      S3Uri: uri,
      S3DataType: type,
      S3InputMode: 'File' as const,
      S3DataDistributionType: 'FullyReplicated' as const,
      LocalPath: `${ROOT}/input/${name}`,
    },
  });
  return {
    ProcessingJobName: jobName,
    RoleArn: places.roleArn,
    AppSpecification: {
      ImageUri: candidate.image,
      ContainerEntrypoint: scriptEntrypoint(`${ROOT}/input/code/sourcedir.tar.gz`, `${ROOT}/code`, 'evaluate.py'),
    },
    ProcessingInputs: [
      input('dataset', `s3://${places.datasetBucket}/${datasetKey.channel(project, candidate.runId)}`, 'ManifestFile'),
      input('code', `s3://${places.modelBucket}/${modelKey.code(project, codeSha256)}`),
      input('candidate', candidate.artifact),
      ...(champion ? [input('champion', champion.artifact)] : []),
    ],
    ProcessingOutputConfig: {
      KmsKeyId: places.keyArn,
      Outputs: [
        {
          OutputName: 'evaluation',
          S3Output: {
            S3Uri: `s3://${places.modelBucket}/${modelKey.evaluation(project, jobName)}`,
            S3UploadMode: 'EndOfJob',
            LocalPath: `${ROOT}/output`,
          },
        },
      ],
    },
    ProcessingResources: {
      ClusterConfig: {
        InstanceCount: 1,
        InstanceType: instanceType(instance),
        VolumeSizeInGB: settings.training.volumeGiB,
        ...(hasLocalStorage(instance) ? {} : { VolumeKmsKeyId: places.keyArn }),
      },
    },
    NetworkConfig: { EnableNetworkIsolation: true, EnableInterContainerTrafficEncryption: false },
    StoppingCondition: { MaxRuntimeInSeconds: settings.training.maximumRuntimeSeconds },
    Tags: [
      { Key: 'flywheel:project', Value: project },
      { Key: 'flywheel:model', Value: String(candidate.model) },
    ],
  };
}

type InstanceType = NonNullable<
  NonNullable<NonNullable<CreateProcessingJobCommandInput['ProcessingResources']>['ClusterConfig']>['InstanceType']
>;
/** The list of types grows faster than any SDK: what SageMaker does not know, it refuses by name. */
function instanceType(name: string): InstanceType {
  return name as InstanceType;
}
