/** What an instance type says about the machine behind it: whether it brings disks of its own. */

/** Accelerated and storage families with disks of their own, whose names do not say so. */
const familiesWithDisks = new Set([
  'dl1',
  'g5',
  'g6',
  'g6e',
  'g6f',
  'g7',
  'g7e',
  'gr6',
  'gr6f',
  'i3',
  'i3en',
  'i4g',
  'i4i',
  'i7i',
  'i7ie',
  'i8g',
  'p5',
  'p5e',
  'p5en',
  'p6-b200',
  'p6-b300',
  'p6e-gb200',
  'trn1',
  'trn1n',
  'trn2',
  'trn2u',
]);

/** The letters after the generation are a family's attributes; `d` means instance store volumes: m5d, g4dn, p4de, r7gd. */
const attributeOfDisks = /^[a-z]+\d+[a-z]*d/;

/**
 * Whether an instance type has NVMe disks of its own, which its hardware encrypts with a key that nobody chooses. SageMaker
 * refuses VolumeKmsKeyId of a job on such a type (API reference, ResourceConfig: "You can't request a VolumeKmsKeyId when
 * using an instance type with local storage"). Of an endpoint config's KmsKeyId the API reference said that the call fails,
 * and says by now that the key does not reach these disks: leaving it out is right under both.
 * Families and their names: EC2 user guide, "Amazon EC2 instance type naming conventions" and "Instance store volume limits".
 */
export function hasLocalStorage(instanceType: string): boolean {
  const family = instanceType.split('.').at(-2) ?? '';
  return familiesWithDisks.has(family) || attributeOfDisks.test(family);
}
