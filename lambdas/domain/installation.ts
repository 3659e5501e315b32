/** Which making of an environment something in SageMaker belongs to. */
import { createHash } from 'node:crypto';
import { INSTALLATION_DIGITS } from '../contract/keys.ts';

/**
 * The first hexadecimal digits of the hash of the lineage table's name: CloudFormation gives each table that it makes a name
 * of its own, so an environment that is deployed again, with nothing in its table, has another id and takes no old job,
 * model or endpoint config for its own.
 */
export function installationOf(tableName: string): string {
  return createHash('sha256').update(tableName).digest('hex').slice(0, INSTALLATION_DIGITS);
}
