/** What the schema of a single field cannot see: that the settings of a project agree with one another. */
import { captureLimits } from '../../lambdas/contract/limits.ts';
import { metricNames } from '../../lambdas/contract/settings.ts';
import { type Problem, show } from './problems.ts';
import type { ProjectSettingsWithoutCode } from './project-settings.ts';

type Finding = Omit<Problem, 'at'>;
type Columns = ProjectSettingsWithoutCode['data']['columns'];

export function checkProject(project: ProjectSettingsWithoutCode): Finding[] {
  return [
    ...checkColumns(project.data.columns),
    ...checkLabel(project),
    ...checkTraining(project),
    ...checkGate(project),
  ];
}

function checkColumns(columns: Columns): Finding[] {
  const findings: Finding[] = [];
  for (const [name, column] of Object.entries(columns)) {
    const find = (setting: string, message: string) =>
      findings.push({ path: `data.columns.${name}${setting && `.${setting}`}`, message });
    const isNumber = column.type === 'number' || column.type === 'integer';
    if (column.role === 'feature' && column.pii)
      find(
        'pii',
        'got a feature that is personal data, expected another role: use ignore({ pii: true }) or id.text({ pii: true })',
      );
    if (column.role === 'feature' && (column.type === 'text' || column.type === 'timestamp'))
      find('type', `got a feature of type ${show(column.type)}, expected number, integer, category or boolean`);
    if (column.role === 'time' && column.type !== 'timestamp')
      find('type', `got ${show(column.type)}, expected 'timestamp' for the time column`);
    if (!isNumber && (column.min !== undefined || column.max !== undefined))
      find('', `got min or max on a column of type ${show(column.type)}, expected them on a number or integer only`);
    if (column.min !== undefined && column.max !== undefined && column.min > column.max)
      find('min', `got ${column.min}, expected at most max, which is ${column.max}`);
    if (column.values && column.type !== 'category')
      find('values', `got values on a column of type ${show(column.type)}, expected them on a category only`);
    if (column.values?.length === 0) find('values', 'got none, expected at least one, or no values to allow any');
    if (column.values && new Set(column.values).size < column.values.length)
      find('values', 'got a value twice, expected each once');
  }
  const times = named(columns, 'time');
  if (times.length > 1)
    findings.push({
      path: 'data.columns',
      message: `got ${times.length} time columns (${times.join(', ')}), expected one at most`,
    });
  const features = named(columns, 'feature').length;
  if (features > captureLimits.baselineFeatures)
    findings.push({
      path: 'data.columns',
      message: `got ${features} features, expected at most ${captureLimits.baselineFeatures}, each of which drift is measured of: give the others the role 'ignore'`,
    });
  if (features === 0)
    findings.push({
      path: 'data.columns',
      message: 'got no feature, expected at least one: feature.number(), feature.category(), ...',
    });
  return findings;
}

const labelTypes = { binary: ['boolean'], multiclass: ['category'], regression: ['number', 'integer'] } as const;

function checkLabel({ data: { columns }, problem: { objective } }: ProjectSettingsWithoutCode): Finding[] {
  const labels = named(columns, 'label');
  const [name, ...more] = labels;
  if (name === undefined)
    return [{ path: 'data.columns', message: `got no label, expected one: label.${labelTypes[objective][0]}()` }];
  if (more.length > 0)
    return [
      {
        path: 'data.columns',
        message: `got ${labels.length} labels (${labels.join(', ')}), expected one: make the others ignore()`,
      },
    ];
  const column = columns[name];
  const findings: Finding[] = [];
  const types: readonly string[] = labelTypes[objective];
  if (column && !types.includes(column.type))
    findings.push({
      path: `data.columns.${name}.type`,
      message: `got ${show(column.type)}, expected ${types.map(show).join(' or ')} for the objective ${show(objective)}`,
    });
  if (column?.nullable)
    findings.push({
      path: `data.columns.${name}.nullable`,
      message: 'got true, expected false: a row without a label teaches nothing, leave such rows out of the upload',
    });
  if (column?.pii)
    findings.push({
      path: `data.columns.${name}.pii`,
      message: 'got true, expected false: predictions of personal data would be captured',
    });
  return findings;
}

function checkTraining({ training, data, monitoring }: ProjectSettingsWithoutCode): Finding[] {
  const findings: Finding[] = [];
  if (training.spot && training.maximumWaitSeconds < training.maximumRuntimeSeconds)
    findings.push({
      path: 'training.maximumWait',
      message: `got ${training.maximumWaitSeconds} s, expected at least maximumRuntime, which is ${training.maximumRuntimeSeconds} s`,
    });
  if (training.holdOutBy === 'day' && named(data.columns, 'time').length === 0)
    findings.push({
      path: 'training.holdOutBy',
      message: "got 'day' without a time column, expected one: time.timestamp(), or 'row'",
    });
  if (training.window && data.mode === 'snapshot')
    findings.push({
      path: 'training.window',
      message: "got a window on a snapshot dataset, expected data.mode 'append' or no window",
    });
  const kinds = training.triggers.map((trigger) => trigger.on);
  const repeated = kinds.find((kind, position) => kinds.indexOf(kind) !== position);
  if (repeated)
    findings.push({
      path: 'training.triggers',
      message: `got the trigger ${show(repeated)} twice, expected each once`,
    });
  if (monitoring.onDrift === 'retrain' && !kinds.includes('drift'))
    findings.push({
      path: 'monitoring.onDrift',
      message: "got 'retrain' without the trigger onDrift(), expected it in training.triggers, or onDrift: 'alarm'",
    });
  return findings;
}

function checkGate({ gate, problem: { objective }, data: { columns } }: ProjectSettingsWithoutCode): Finding[] {
  const known: readonly string[] = metricNames[objective];
  const belongs = `expected one that the objective ${show(objective)} has: ${known.join(', ')}`;
  const findings: Finding[] = [];
  if (!known.includes(gate.metric))
    findings.push({ path: 'gate.metric', message: `got ${show(gate.metric)}, ${belongs}` });
  for (const name of Object.keys(gate.limits))
    if (!known.includes(name)) findings.push({ path: `gate.limits.${name}`, message: `got ${show(name)}, ${belongs}` });
  gate.slices.forEach(({ column: name }, position) => {
    const path = `gate.slices.${position}.column`;
    const column = columns[name];
    if (!column)
      findings.push({
        path,
        message: `got ${show(name)}, expected one of the columns: ${Object.keys(columns).join(', ')}`,
      });
    else if (column.type !== 'category' && column.type !== 'boolean')
      findings.push({
        path,
        message: `got ${show(name)} of type ${show(column.type)}, expected a category or boolean: every value is a slice`,
      });
  });
  return findings;
}

function named(columns: Columns, role: Columns[string]['role']): string[] {
  return Object.keys(columns).filter((name) => columns[name]?.role === role);
}
