import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { measureDrift } from '../../../lambdas/domain/drift/measure.ts';
import { escapeHtml, renderDriftReport } from '../../../lambdas/domain/drift/report.ts';
import { forAll } from '../for-all.ts';
import { anyBaseline, anyCounts, baselineOf, categorical, countsOf, numeric } from './samples.ts';

const policy = { minimumRows: 100, psi: 0.2, consecutive: 1 };

function render(baseline: Parameters<typeof renderDriftReport>[0]['baseline'], counts: ReturnType<typeof countsOf>) {
  const measurement = measureDrift({ baseline, counts, policy });
  const input = {
    project: 'flights',
    model: 3,
    at: '2013-07-01T10:00:00Z',
    baseline,
    counts,
    measurement,
    threshold: 0.2,
  };
  return { measurement, page: renderDriftReport(input) };
}

const baseline = baselineOf(
  [
    numeric('temperature', [0, 10, 20], [2_500, 2_500, 2_500, 2_500]),
    categorical('carrier', ['UA', 'B6'], [6_000, 4_000]),
  ],
  numeric('delay', [0.5], [8_000, 2_000]),
);
const counts = countsOf(
  baseline,
  [
    [0, 50, 150, 800, 0],
    [580, 400, 0, 20],
  ],
  [800, 200, 0],
);

describe('renderDriftReport', () => {
  it('shows every feature and the prediction, highest PSI first, and marks what drifted', () => {
    const { page, measurement } = render(baseline, counts);
    const rows = [...page.matchAll(/<tr( class="drifted")?><th scope="row">([^<]+)/g)];
    expect(rows.map((row) => row[2]?.trim())).toEqual(['temperature', 'carrier', 'delay']);
    expect(rows.map((row) => row[1] !== undefined)).toEqual([true, false, false]);
    expect(page).toContain('<p class="verdict drifted">Drifted</p>');
    for (const reason of measurement.reasons) expect(page).toContain(escapeHtml(reason));
  });

  it('draws each bin before and now in proportion', () => {
    const { page } = render(baseline, counts);
    const card = page.slice(page.indexOf('<section class="card"><h3>temperature'));
    const widths = [
      ...card.slice(0, card.indexOf('</section>')).matchAll(/<rect class="(before|now)"[^>]* width="([\d.]+)"/g),
    ];
    const now = widths.filter((match) => match[1] === 'now').map((match) => Number(match[2]));
    expect(now.map((width) => width / Math.max(...now))).toEqual(
      [0, 50, 150, 800].map((count) => expect.closeTo(count / 800, 2)),
    );
  });

  it('draws other and missing only when they hold rows', () => {
    const { page } = render(baseline, counts);
    expect(page.match(/>missing<\/text>/g)).toHaveLength(1);
    expect(page).not.toContain('>other values</text>');
  });

  it('folds rare values and features of low PSI', () => {
    const values = Array.from({ length: 60 }, (_, index) => `v${index}`);
    const wide = baselineOf(
      Array.from({ length: 20 }, (_, index) =>
        categorical(
          `f${index}`,
          values,
          values.map(() => 100),
        ),
      ),
      numeric('p', [], [6_000]),
    );
    const same = countsOf(
      wide,
      wide.features.map(() => [...values.map(() => 10), 0, 0]),
      [600, 0],
    );
    const { page } = render(wide, same);
    expect(page).toContain('>45 rarer values</text>');
    expect(page).toContain('<summary>9 more, of lower PSI</summary>');
  });

  it('needs nothing from elsewhere and runs nothing', () => {
    const { page } = render(baseline, counts);
    expect(page).not.toMatch(/<script|<link|<img|https?:|url\(/);
    expect(page).toContain("default-src 'none'");
  });

  it('escapes names and values', () => {
    const attack = `</title><script>alert('x"&')</script>`;
    const hostile = baselineOf([categorical(attack, [attack], [1_000])], numeric(attack, [0.5], [500, 500]));
    const { page } = render(hostile, countsOf(hostile, [[100, 100, 0]], [100, 100, 0]));
    expect(page).not.toContain('<script');
    expect(page).not.toContain('\'x"');
    expect(page).toContain('&#60;script&#62;');
  });

  it('renders any measurement as balanced markup without a broken number', () => {
    const any = anyBaseline.chain((sample) => fc.tuple(fc.constant(sample), anyCounts(sample)));
    forAll(any, ([sample, captured]) => {
      const { page } = render(sample, captured);
      expect(page).not.toMatch(/NaN|Infinity|undefined|="-/);
      for (const tag of ['section', 'svg', 'g', 'tr', 'table', 'h3', 'title', 'text', 'span', 'div']) {
        const opened = page.match(new RegExp(`<${tag}[ >]`, 'g'))?.length ?? 0;
        expect([tag, page.split(`</${tag}>`).length - 1]).toEqual([tag, opened]);
      }
    });
  });
});
