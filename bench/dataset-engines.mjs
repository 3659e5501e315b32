/**
 * The engines that docs/decisions/0002 compares, each in a process of its own, on the file that `npm run bench -- dataset`
 * makes. They are no dependencies of the project; install them first:
 *
 *     npm install --prefix .flywheel/engines papaparse@5.7.1 @duckdb/node-api@1.5.6-r.1
 *     node bench/dataset-engines.mjs
 */
import { execFileSync } from 'node:child_process';
import { createReadStream, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { finished } from 'node:stream/promises';

const FOLDER = '.flywheel/bench/dataset';
const installed = createRequire(`${process.cwd()}/.flywheel/engines/package.json`);
const numbers = ['distance', 'dep_delay', 'temp', 'dewp', 'humid', 'wind_speed', 'pressure'];

const engines = {
  async 'csv-parse'(file) {
    const { parse } = await import('csv-parse');
    let rows = 0;
    const parser = createReadStream(file).pipe(parse({ info: true }));
    parser.on('data', () => rows++);
    await finished(parser);
    return rows;
  },
  async papaparse(file) {
    const papaparse = installed('papaparse');
    let rows = 0;
    await new Promise((complete) => papaparse.parse(createReadStream(file), { step: () => rows++, complete }));
    return rows;
  },
  /** Splits and profiles in SQL; it names no line of a bad value. */
  async 'duckdb-profile'(file) {
    const profile = numbers.map(
      (name) =>
        `approx_quantile(try_cast(${name} as double), [0.25, 0.5, 0.75]), approx_count_distinct(${name}), stddev(try_cast(${name} as double))`,
    );
    const sql = `select count(*), count(distinct hash(flight_id)), ${profile} from read_csv('${file}', all_varchar = true)`;
    const result = await (await duckdb()).runAndReadAll(sql);
    return Number(result.getRows()[0][0]);
  },
  /** Splits only; the rows go to JavaScript, as the rules in TypeScript would need them. */
  async 'duckdb-rows'(file) {
    const result = await (await duckdb()).stream(`select * from read_csv('${file}', all_varchar = true)`);
    let rows = 0;
    for (let chunk = await result.fetchChunk(); chunk?.rowCount; chunk = await result.fetchChunk()) {
      rows += chunk.getRows().length;
    }
    return rows;
  },
};

async function duckdb() {
  const { DuckDBInstance } = installed('@duckdb/node-api');
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  await connection.run('set threads = 2');
  return connection;
}

const [engine, file] = process.argv.slice(2);
if (engine) {
  const start = performance.now();
  const rows = await engines[engine](file);
  const seconds = (performance.now() - start) / 1000;
  const cpu = process.cpuUsage();
  const figures = {
    rows,
    seconds: seconds.toFixed(1),
    cpuSeconds: ((cpu.user + cpu.system) / 1e6).toFixed(1),
    peakMiB: Math.round(process.resourceUsage().maxRSS / 1024),
  };
  console.log(`${engine}: ${JSON.stringify(figures)}`);
} else {
  const text = readFileSync(`${FOLDER}/flights.csv`, 'utf8');
  const headerEnd = text.indexOf('\n') + 1;
  const unclosed = `${FOLDER}/unclosed.csv`;
  writeFileSync(unclosed, `${text.slice(0, headerEnd)}"UA1,2013\n${text.slice(headerEnd)}`);
  const here = (...argv) => execFileSync(process.execPath, [import.meta.filename, ...argv], { encoding: 'utf8' });
  for (const name of Object.keys(engines)) process.stdout.write(here(name, `${FOLDER}/flights.csv`));
  process.stdout.write(`a quote that is never closed in line 2: ${here('papaparse', unclosed)}`);
}
