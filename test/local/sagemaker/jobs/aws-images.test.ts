/** What AWS's images and CreateTrainingJob's rules for them make of a job. */
import { CreateTrainingJobCommand } from '@aws-sdk/client-sagemaker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { frameworkImage, image, Session } from './support/session.ts';

let session: Session;
beforeAll(async () => {
  session = await Session.start();
}, 60_000);
afterAll(() => session?.stop(), 60_000);

const onXgboost = { TrainingImage: image, TrainingInputMode: 'File' as const };
const leavesFailure = `
import os, sys
open(os.path.join(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"), "output", "failure"), "w").write("the label is missing")
sys.exit(3)`;

describe('MetricDefinitions', () => {
  const MetricDefinitions = [{ Name: 'auc', Regex: 'auc=(.*)' }];

  it('are refused for an image of SageMaker’s algorithms, in SageMaker’s words', async () => {
    const request = await session.request('own-metrics', 'pass', {
      AlgorithmSpecification: { ...onXgboost, MetricDefinitions },
    });
    await expect(session.client.send(new CreateTrainingJobCommand(request))).rejects.toMatchObject({
      name: 'ValidationException',
      message:
        "You can't override the metric definitions for Amazon SageMaker algorithms. Please retry the request without specifying metric definitions.",
    });
  });

  it('are read for any other image', async () => {
    const AlgorithmSpecification = { ...onXgboost, TrainingImage: frameworkImage, MetricDefinitions };
    const job = await session.train('framework-metrics', 'print("auc=0.5")', { AlgorithmSpecification });
    expect(job.FinalMetricDataList).toMatchObject([{ MetricName: 'auc', Value: 0.5 }]);
  });
});

describe('script mode on XGBoost’s image', () => {
  it('does not tell why: its toolkit writes over what the script left in output/failure', async () => {
    expect((await session.train('silenced', leavesFailure)).FailureReason).toMatch(
      /^AlgorithmError: ExecuteUserScriptError:\nCommand "\S+ -m train", exit code: 1$/,
    );
  });

  it('fails under network isolation, for pip fetches what builds the program', async () => {
    const code = await session.put('isolated/code/sourcedir.tar.gz', session.archive({ 'train.py': 'pass' }));
    const job = await session.train('isolated', 'pass', {
      EnableNetworkIsolation: true,
      HyperParameters: { sagemaker_submit_directory: '/opt/ml/input/data/code/sourcedir.tar.gz' },
      InputDataConfig: [{ ChannelName: 'code', DataSource: { S3DataSource: { S3DataType: 'S3Prefix', S3Uri: code } } }],
    });
    expect(job.FailureReason).toMatch(/^AlgorithmError: InstallModuleError:\nCommand "\S+ -m pip install \."/);
  });
});

it('a job with an entrypoint of its own says why it failed in output/failure', async () => {
  const script = 'echo -n "the label is missing" > /opt/ml/output/failure; exit 3';
  const AlgorithmSpecification = { ...onXgboost, ContainerEntrypoint: ['bash', '-c', script] };
  expect((await session.train('says-why', 'pass', { AlgorithmSpecification })).FailureReason).toBe(
    'AlgorithmError: the label is missing, exit code: 3',
  );
});
