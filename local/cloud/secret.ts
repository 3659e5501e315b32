import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The secret of a cloud's root key, by which its servers also know each other and the commands (`secretHeader`). */
export const secretFile = (directory: string): string => join(directory, 'secret');

/**
 * The folder of a cloud, for its owner alone: other users of the machine could read state and credentials in it. A folder
 * that held no cloud before keeps its mode: it is the user's, and its files have modes of their own.
 */
export function makeDirectory(directory: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (existsSync(join(directory, 'ports.json'))) chmodSync(directory, 0o700);
}

/** The secret in this file; one is made where there is none yet. The launcher of MiniStack does the same. */
export function readOrMakeSecret(file: string): string {
  try {
    writeFileSync(file, `${randomBytes(30).toString('base64url')}\n`, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
  return readFileSync(file, 'utf8').trim();
}
