import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { promisify } from 'node:util';

/** Unpacks with the system's tar, which keeps every entry inside the folder. @throws Error with tar's own words */
export async function unpackTarGz(file: string, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await promisify(execFile)('tar', ['-xzf', file, '-C', folder, '--no-same-owner']);
}
