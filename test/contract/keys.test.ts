import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  captureKey,
  endpointConfigName,
  endpointName,
  evaluationJobName,
  INSTALLATION_DIGITS,
  itemKey,
  modelVersionName,
  nodeId,
  nodeTypes,
  predictionId,
  trainingJobName,
  uploadKey,
} from '../../lambdas/contract/keys.ts';
import { environmentSettings, projectName } from '../../lambdas/contract/settings.ts';
import { forAll } from '../domain/for-all.ts';

const environment = fc.stringMatching(/^[a-z][a-z0-9]{0,11}$/);
const project = fc.stringMatching(/^[a-z][a-z0-9]{0,6}(-[a-z0-9]{1,5}){0,2}$/).filter((name) => name.length <= 24);
const number = fc.integer({ min: 1, max: 99_999 });
const installation = fc.stringMatching(/^[0-9a-f]{5}$/);
const runId = fc.stringMatching(/^[0-9a-f]{12}$/);
const SAGEMAKER_NAME = /^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$/;

describe('SageMaker names', () => {
  it('of training jobs are valid and parse back', () => {
    forAll(
      fc.tuple(environment, fc.record({ project, runId, attempt: fc.integer({ min: 1, max: 99 }) })),
      ([env, run]) => {
        const name = trainingJobName.build(env, run);
        expect(name).toMatch(SAGEMAKER_NAME);
        expect(trainingJobName.parse(env, name)).toEqual(run);
      },
    );
  });

  it('of evaluation jobs are valid and parse back', () => {
    const job = fc.record({ project, model: number, number: fc.integer({ min: 1, max: 99 }), installation });
    forAll(fc.tuple(environment, job), ([env, each]) => {
      const name = evaluationJobName.build(env, each);
      expect(name).toMatch(SAGEMAKER_NAME);
      expect(evaluationJobName.parse(env, name)).toEqual(each);
    });
  });

  it('of endpoints and endpoint configs are valid and parse back', () => {
    const config = fc.record({ project, model: number, servingHash: fc.stringMatching(/^[0-9a-f]{6}$/) });
    forAll(fc.tuple(environment, config), ([env, each]) => {
      const name = endpointConfigName.build(env, each);
      expect(name).toMatch(SAGEMAKER_NAME);
      expect(endpointConfigName.parse(env, name)).toEqual({ project: each.project, model: each.model });
      expect(endpointName.parse(env, endpointName.build(env, each.project))).toBe(each.project);
    });
  });

  it('fit into 63 characters for the longest names of an environment and a project', () => {
    const env = 'production12';
    const longest = 'a-project-of-24-characte';
    const environmentName = environmentSettings.shape.name;
    expect([env, `${env}3`].map((name) => environmentName.safeParse(name).success)).toEqual([true, false]);
    expect([longest, `${longest}r`].map((name) => projectName.safeParse(name).success)).toEqual([true, false]);
    const large = { project: longest, model: 99_999, number: 99, attempt: 99 };
    const names = [
      trainingJobName.build(env, { ...large, runId: '0123456789ab' }),
      evaluationJobName.build(env, { ...large, installation: '0123456789'.slice(0, INSTALLATION_DIGITS) }),
      endpointConfigName.build(env, { ...large, servingHash: '012345' }),
      endpointName.build(env, longest),
    ];
    for (const name of names) expect(name).toMatch(SAGEMAKER_NAME);
    expect(names.map((name) => name.length)).toEqual([63, 63, 60, 46]);
  });

  it('of another environment or of somebody else are not ours', () => {
    const name = trainingJobName.build('dev', { project: 'flights', runId: '0123456789ab', attempt: 1 });
    expect(trainingJobName.parse('prod', name)).toBeUndefined();
    expect(trainingJobName.parse('dev', 'my-own-experiment')).toBeUndefined();
    expect(endpointName.parse('dev', 'somebody-elses')).toBeUndefined();
  });
});

describe('ids', () => {
  it('of predictions parse back', () => {
    const prediction = fc.record({
      project,
      model: number,
      minute: fc.constant('20130701T0915'),
      inferenceId: fc.uuid(),
      row: fc.nat(1000),
    });
    forAll(prediction, (each) => {
      expect(predictionId.parse(predictionId.build(each))).toEqual(each);
    });
  });

  it('of nodes and model versions parse back', () => {
    const type = fc.constantFrom(...(Object.keys(nodeTypes) as (keyof typeof nodeTypes)[]));
    forAll(fc.tuple(type, project, fc.stringMatching(/^[a-z0-9/:._-]{1,40}$/)), ([each, name, local]) => {
      expect(nodeId.parse(nodeId.build(each, name, local))).toEqual({ type: each, project: name, local });
    });
    forAll(fc.tuple(project, number), ([name, model]) => {
      expect(modelVersionName.parse(modelVersionName.build(name, model))).toEqual({ project: name, model });
    });
    expect(nodeId.parse('no-such-type/flights/1')).toBeUndefined();
  });

  it('of nodes fit the keys of the table, whatever they are named by, and names that differ have ids that differ', () => {
    const long = fc.string({ unit: fc.constantFrom('a', 'ü', '😀', '/', '\n', '@'), minLength: 300, maxLength: 1024 });
    forAll(fc.tuple(project, long, long), ([name, one, other]) => {
      const id = nodeId.build('quarantined-upload', name, one);
      // DynamoDB: 2,048 bytes of a partition key, 1,024 of a sort key.
      expect(Buffer.byteLength(itemKey.edge(id, 'wasAssociatedWith', id).sk)).toBeLessThanOrEqual(1024);
      expect(nodeId.parse(id)).toMatchObject({ type: 'quarantined-upload', project: name });
      expect(nodeId.build('quarantined-upload', name, nodeId.parse(id)?.local ?? '')).toBe(id);
      expect(nodeId.build('quarantined-upload', name, other) === id).toBe(one === other);
      expect(id.isWellFormed()).toBe(true);
    });
    const longest = `${'x'.repeat(1023)}y`;
    expect(nodeId.build('upload', 'flights', longest)).toMatch(/^upload\/flights\/x{120}~[0-9a-f]{32}$/);
    expect(nodeId.build('upload', 'flights', longest)).not.toBe(nodeId.build('upload', 'flights', `${longest}z`));
  });
});

describe('S3 keys', () => {
  it('tell the project of an upload by its first segment', () => {
    expect(uploadKey.project('flights/2013/01.csv')).toBe('flights');
    expect(uploadKey.project('stray.csv')).toBeUndefined();
    expect(uploadKey.markerPrefix('flights/batch-7/_SUCCESS')).toBe('flights/batch-7/');
  });

  it.each([
    '_SUCCESS',
    '_committed_4317',
    '_started_4317',
    '_metadata',
    '.part-00000.csv.crc',
    'part-00000.csv.crc',
    'year=2013_$folder$',
    '_temporary/0/task/part-00000.csv',
    '.DS_Store',
    '',
  ])('know %s as no data', (name) => {
    expect(uploadKey.isLeftover(`flights/batch/${name}`)).toBe(true);
  });

  it.each(['part-00000.csv', '_2013.csv', 'year=2013/part-0.snappy.parquet', 'a.crc.csv', 'committed_1.csv'])(
    'know %s as data',
    (name) => {
      expect(uploadKey.isLeftover(`flights/batch/${name}`)).toBe(false);
    },
  );

  it('tell the project of a captured file, and leave other keys alone', () => {
    expect(captureKey.project(`${captureKey.prefix('flights')}/e/AllTraffic/2013/07/01/09/x.jsonl`)).toBe('flights');
    expect(captureKey.project('ground-truth/flights/2013/x.jsonl')).toBeUndefined();
  });
});
