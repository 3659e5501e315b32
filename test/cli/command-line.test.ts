/** The launcher and the command tree, as a script meets them. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';

const empty = mkdtempSync(join(tmpdir(), 'flywheel-cli-'));
afterAll(() => rmSync(empty, { recursive: true }));

function flywheel(...words: string[]) {
  return spawnSync(process.execPath, ['cli/bin/flywheel.mjs', ...words], {
    encoding: 'utf8',
    env: { ...process.env, FLYWHEEL_LOCAL: empty },
  });
}

test('every command of the reference is there and explains itself', () => {
  const help = flywheel('--help').stdout;
  const words = 'local deploy upload train status predict lineage drift approve reject redrive destroy'.split(' ');
  expect(words.filter((word) => !new RegExp(`^  ${word} `, 'm').test(help))).toEqual([]);
});

test.each([
  [['nonsense'], 2, /unknown command/],
  [['train', 'flights'], 2, /--reason/],
  [['status', '--env', 'moon'], 2, /got --env moon, expected .*local/i],
  [['status'], 3, /flywheel local up/],
  [['lineage', 'what'], 2, /prediction id/],
  [['predict', 'flights'], 2, /--row or --file/],
  [['predict', 'flights', '--row', '{'], 2, /not JSON/],
  [['destroy'], 2, /give --yes/],
  [['destroy', '--env', 'dev', '--yes', '--destroy-data', 'prod'], 2, /expected the environment of --env: dev/],
  [['destroy', '--env', 'dev', '--yes', '--destroy-data', 'dev'], 2, /set removal: 'destroy'/],
  [['upload', 'flights', 'no-such-file.csv'], 2, /no-such-file\.csv is not there/],
])('flywheel %j ends with exit code %i and says why', (words, code, message) => {
  const { status, stderr, stdout } = flywheel(...words);
  expect(stderr).toMatch(message);
  expect(stdout).toBe('');
  expect(status).toBe(code);
});

test('--json answers with one document and nothing else, without colours', () => {
  const { stdout } = flywheel('local', 'status', '--json');
  expect(JSON.parse(stdout)).toMatchObject({ directory: empty, services: { ministack: { state: 'stopped' } } });
});
