/** The project's `sourcedir.tar.gz`, written beside the bundle of start-training at synth. */
import { readFileSync } from 'node:fs';

export function readCodeArchive(project: string): Uint8Array {
  return readFileSync(new URL(`./code/${project}.tar.gz`, import.meta.url));
}
