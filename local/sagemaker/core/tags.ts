/** What SageMaker asks of tags beyond their service model. */
import * as z from 'zod';
import { validationException } from './errors.ts';

const tagList = z.array(z.looseObject({ Key: z.string() }));

/** @param tags the Tags member of any request @throws SageMakerError ValidationException */
export function checkTags(tags: unknown): void {
  const parsed = tagList.safeParse(tags);
  if (!parsed.success) return;
  const keys = parsed.data.map(({ Key }) => Key);
  if (keys.some((key) => key.toLowerCase().startsWith('aws:'))) {
    throw validationException('aws: prefixed tag key names are not allowed for external use.');
  }
  const twice = keys.find((key, index) => keys.indexOf(key) !== index);
  if (twice !== undefined) throw validationException(`Tag keys must be unique, got '${twice}' more than once.`);
}
