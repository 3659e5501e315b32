/** docs/well-architected.md: every claim names a test that exists, and every practice of the lens has a status. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { repositoryRoot } from '../lib/bundle.ts';
import { evidenceOf, isThere, rowsOf } from './support/evidence.ts';

const page = readFileSync(join(repositoryRoot, 'docs/well-architected.md'), 'utf8');

const [pillars = '', lens = ''] = page.split('## Machine Learning Lens');

describe('a claim of a pillar', () => {
  it.each(rowsOf(pillars))('%s: is shown by tests that exist', (_practice, _where, shownBy = '') => {
    const evidence = evidenceOf(shownBy);
    expect(evidence.length, 'tests by file and title: `test/x.test.ts` "title"').toBeGreaterThan(0);
    expect(evidence.filter((each) => !isThere(each))).toEqual([]);
  });

  it('is in the table of each of six pillars', () => {
    const sections = pillars.split('\n## ').slice(1);
    expect(sections.map((section) => section.split('\n')[0])).toEqual([
      'Operational excellence',
      'Security',
      'Reliability',
      'Performance efficiency',
      'Cost optimization',
      'Sustainability',
    ]);
    for (const section of sections) {
      expect(rowsOf(section).length).toBeGreaterThan(0);
      expect(section).toContain('\nNot met: ');
    }
  });
});

describe('a practice of the lens', () => {
  it.each(rowsOf(lens))(
    '%s (%s) is %s, which tests show where it is met',
    (_practice, numbers, status, how, shownBy = '') => {
      expect(numbers).toMatch(/^ML[A-Z]+-\d+(, ML[A-Z]+-\d+)*$/);
      expect(['met', 'part', 'not met', 'yours']).toContain(status);
      expect(how).not.toBe('');
      const evidence = evidenceOf(shownBy);
      if (status === 'met') expect(evidence.length).toBeGreaterThan(0);
      if (status === 'not met' || status === 'yours') expect(evidence).toEqual([]);
      expect(evidence.filter((each) => !isThere(each))).toEqual([]);
    },
  );

  it('stands there once', () => {
    const numbers = rowsOf(lens).flatMap(([, all = '']) => all.split(', '));
    expect(numbers.length).toBeGreaterThan(20);
    expect(numbers.filter((each, position) => numbers.indexOf(each) !== position)).toEqual([]);
  });
});

describe('a test', () => {
  it('that does not exist is missed', () => {
    expect(isThere({ file: 'test/well-architected.test.ts', title: 'that does not exist is missed' })).toBe(true);
    expect(isThere({ file: 'test/well-architected.test.ts', title: 'that does not exist' })).toBe(false);
    expect(isThere({ file: 'test/nowhere.test.ts', title: 'that does not exist is missed' })).toBe(false);
  });
});
