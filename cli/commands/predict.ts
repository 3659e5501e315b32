/** `flywheel predict`: ask the model in service, as any client would. */
import { readFileSync } from 'node:fs';
import { type Body, connectApi, predict } from '../api.ts';
import { type CommonOptions, environmentCommand, open } from '../command.ts';
import { CommandFailed, exitCodes } from '../failure.ts';
import { columns } from '../output.ts';

interface Options extends CommonOptions {
  readonly row?: string;
  readonly file?: string;
}

export const predictCommand = environmentCommand('predict', 'predict over the HTTP API')
  .argument('<project>')
  .option('--row <json>', 'one row: {"column": value}')
  .option('--file <path>', 'rows in a file: .csv with a header, or .json ({column: value} or {"rows": [...]})')
  .action(async (project: string, options: Options) => {
    const body = bodyOf(options);
    const { output, outputs } = await open(options);
    const answer = await predict(connectApi(outputs.ApiUrl), project, body);
    output.answer(answer, () =>
      [
        answer.modelVersion,
        columns(
          answer.predictions.map(({ predictionId, prediction }) => [JSON.stringify(prediction), predictionId]),
          '  ',
        ),
      ].join('\n'),
    );
  });

function bodyOf({ row, file }: Options): Body {
  if ((row === undefined) === (file === undefined))
    throw new CommandFailed('Expected either --row or --file.', exitCodes.usage);
  if (row !== undefined) return json(row, '--row');
  const path = file ?? '';
  const text = read(path);
  return /\.csv$/i.test(path) ? { text, type: 'text/csv' } : json(text, path);
}

function json(text: string, origin: string): Body {
  try {
    JSON.parse(text);
  } catch (error) {
    throw new CommandFailed(
      `${origin} is not JSON: ${error instanceof Error ? error.message : error}`,
      exitCodes.usage,
    );
  }
  return { text, type: 'application/json' };
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new CommandFailed(error instanceof Error ? error.message : String(error), exitCodes.usage);
  }
}
