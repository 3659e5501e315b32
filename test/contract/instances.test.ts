/** The instance types that the code knows, beside those of SageMaker's service model. */
import { describe, expect, it } from 'vitest';
import { hasLocalStorage } from '../../lambdas/contract/instances.ts';
import { instanceTypes } from '../../lib/config/instance-types.ts';
import { ServiceModel } from '../../local/sagemaker/core/service-model.ts';
import { findServiceModel } from '../../local/sagemaker/options.ts';

const model = ServiceModel.read(findServiceModel());
const typesOf = (shape: string) => model.shape(shape).enum ?? [];
const everywhere = ['TrainingInstanceType', 'ProductionVariantInstanceType', 'ProcessingInstanceType'].flatMap(typesOf);

describe('instanceTypes', () => {
  it.each([
    ['training', instanceTypes.training, 'TrainingInstanceType'],
    ['processing', instanceTypes.processing, 'ProcessingInstanceType'],
    ['hosting', instanceTypes.hosting, 'ProductionVariantInstanceType'],
  ])('are those of the service model, for %s', (_use, types, shape) => {
    expect([...types].sort()).toEqual([...typesOf(shape)].sort());
  });
});

/** Every family that SageMaker takes, as AWS's pages of instance types have them: with disks of their own, and without. */
const withDisks =
  'c5d c6gd dl1 g4dn g5 g6 g6e g7 g7e m5d m6gd p3dn p4d p4de p5 p5e p5en p6-b200 p6-b300 p6e-gb200 r5d r6gd r7gd trn1 trn1n trn2';
const withoutDisks =
  'c4 c5 c5n c6g c6gn c6i c6in c7g c7i c7i-flex c8g c8i c8i-flex inf1 inf2 m4 m5 m6g m6i m7i m7i-flex m8g m8i m8i-flex p2 p3 r5 r6g r6i r7i r8g r8i r8i-flex t2 t3';

describe('hasLocalStorage', () => {
  it.each(withDisks.split(' '))('%s has disks of its own', (family) => {
    expect(hasLocalStorage(`ml.${family}.24xlarge`)).toBe(true);
  });

  it.each(withoutDisks.split(' '))('%s has none', (family) => {
    expect(hasLocalStorage(`ml.${family}.large`)).toBe(false);
  });

  it('has been decided for every family that SageMaker takes', () => {
    const families = new Set(everywhere.map((type) => type.split('.')[1] ?? ''));
    expect([...families].sort()).toEqual([...withDisks.split(' '), ...withoutDisks.split(' ')].sort());
  });

  it('follows the name of a family that SageMaker does not take yet', () => {
    expect(['m8gd', 'c6id', 'r8idn'].map((family) => hasLocalStorage(`ml.${family}.large`))).toEqual([
      true,
      true,
      true,
    ]);
    expect(hasLocalStorage('ml.m9g.large')).toBe(false);
  });
});
