import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import * as z from 'zod';
import type { LocalImage } from '../container/images.ts';

export interface ScriptModeRequest {
  readonly image: LocalImage;
  /** Stands in for `/opt/ml`. */
  readonly root: string;
  readonly jobName: string;
  readonly hyperParameters: Readonly<Record<string, string>>;
  /** Environment of the request. */
  readonly environment: Readonly<Record<string, string>>;
  readonly resources: ResourceConfig;
  /** Content of inputdataconfig.json, by channel. */
  readonly channels: Readonly<Record<string, unknown>>;
  readonly gpus: number;
}

/** Content of resourceconfig.json. */
export interface ResourceConfig {
  readonly current_host: string;
  readonly current_instance_type: string;
  readonly current_group_name: string;
  readonly hosts: readonly string[];
  readonly instance_groups: readonly {
    readonly instance_group_name: string;
    readonly instance_type: string;
    readonly hosts: readonly string[];
  }[];
  readonly network_interface_name: string;
}

export interface ScriptMode {
  /** Entry file, relative to the code folder. */
  readonly program: string;
  /** Where the code comes from: an S3 URI of a tar.gz, a tar.gz, or a folder. */
  readonly submitDirectory: string;
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

const platformPrefix = 'sagemaker_';
const record = z.record(z.string(), z.unknown());

/**
 * What the SageMaker training toolkit makes of a job (github.com/aws/sagemaker-training-toolkit, `environment.py`, `mapping.py`):
 * the script's command line from the user's hyperparameters, and its `SM_*` environment.
 * @returns undefined when the job names no program, so that it is not in script mode
 */
export function scriptModeOf(request: ScriptModeRequest): ScriptMode | undefined {
  const { root, environment } = request;
  const decoded = decodeHyperParameters(request.hyperParameters);
  const platform = pickBy(decoded, (name) => name.startsWith(platformPrefix));
  const user = pickBy(decoded, (name) => !name.startsWith(platformPrefix));
  const program = environment.SAGEMAKER_PROGRAM ?? platform.sagemaker_program;
  if (program === undefined) return undefined;
  const submitDirectory = String(platform.sagemaker_submit_directory ?? '/opt/ml/code');
  const args = commandLine(user);
  return {
    program: String(program),
    submitDirectory,
    argv: [...entryCommand(request.image, String(program)), ...args],
    environment: smEnvironment(request, { root, program: String(program), submitDirectory, user, platform, args }),
  };
}

/** Hyperparameters arrive as strings; the toolkit takes each for JSON when it is JSON. */
export function decodeHyperParameters(hyperParameters: Readonly<Record<string, string>>): Record<string, unknown> {
  const decode = (text: string): unknown => {
    try {
      return JSON.parse(text);
    } catch {
      // Not JSON: the text itself is the value.
      return text;
    }
  };
  return Object.fromEntries(Object.entries(hyperParameters).map(([name, text]) => [name, decode(text)]));
}

/** `--name value` for each hyperparameter, sorted by name; a name of one letter gets one dash. */
export function commandLine(user: Readonly<Record<string, unknown>>): string[] {
  return Object.keys(user)
    .sort()
    .flatMap((name) => [`${name.length === 1 ? '-' : '--'}${name}`, argument(user[name])]);
}

function argument(value: unknown): string {
  const asRecord = record.safeParse(value);
  if (asRecord.success && !Array.isArray(value)) {
    return Object.entries(asRecord.data)
      .map(([key, one]) => `${key}=${argument(one)}`)
      .join(',');
  }
  // The toolkit prints a value as Python's str() does.
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (value === null) return 'None';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function entryCommand({ python, toolkit }: LocalImage, program: string): string[] {
  if (toolkit === 'sagemaker-containers') return [python, '-m', program.replace(/\.py$/, '')];
  if (program.endsWith('.sh')) return ['/bin/sh', '-c', `./${program} "$@"`, program];
  return program.endsWith('.py') ? [python, program] : [program];
}

interface Parts {
  readonly root: string;
  readonly program: string;
  readonly submitDirectory: string;
  readonly user: Readonly<Record<string, unknown>>;
  readonly platform: Readonly<Record<string, unknown>>;
  readonly args: readonly string[];
}

function smEnvironment(request: ScriptModeRequest, parts: Parts): Record<string, string> {
  const { resources, channels } = request;
  const { root, program, user, args } = parts;
  const input = join(root, 'input');
  const output = join(root, 'output');
  const moduleName = program.replace(/\.[^.]*$/, '');
  const cpus = availableParallelism();
  const groups = Object.fromEntries(resources.instance_groups.map((group) => [group.instance_group_name, group]));
  const logLevel = parts.platform.sagemaker_container_log_level ?? 20;
  const training = {
    additional_framework_parameters: {},
    channel_input_dirs: Object.fromEntries(Object.keys(channels).map((name) => [name, join(input, 'data', name)])),
    current_host: resources.current_host,
    current_instance_group: resources.current_group_name,
    current_instance_group_hosts: groups[resources.current_group_name]?.hosts ?? [],
    current_instance_type: resources.current_instance_type,
    distribution_hosts: resources.hosts,
    distribution_instance_groups: [],
    framework_module: null,
    hosts: resources.hosts,
    hyperparameters: user,
    input_config_dir: join(input, 'config'),
    input_data_config: channels,
    input_dir: input,
    instance_groups: Object.keys(groups),
    instance_groups_dict: groups,
    is_hetero: false,
    is_master: resources.current_host === resources.hosts[0],
    is_modelparallel_enabled: null,
    job_name: request.jobName,
    log_level: logLevel,
    master_hostname: resources.hosts[0],
    model_dir: join(root, 'model'),
    module_dir: parts.submitDirectory,
    module_name: moduleName,
    network_interface_name: resources.network_interface_name,
    num_cpus: cpus,
    num_gpus: request.gpus,
    num_neurons: 0,
    output_data_dir: join(output, 'data'),
    output_dir: output,
    output_intermediate_dir: join(output, 'intermediate'),
    resource_config: resources,
    user_entry_point: program,
  };
  const values: Record<string, unknown> = {
    MODEL_DIR: training.model_dir,
    OUTPUT_DIR: training.output_dir,
    OUTPUT_DATA_DIR: training.output_data_dir,
    OUTPUT_INTERMEDIATE_DIR: training.output_intermediate_dir,
    INPUT_DIR: training.input_dir,
    INPUT_CONFIG_DIR: training.input_config_dir,
    CHANNELS: Object.keys(channels).sort(),
    HPS: user,
    USER_ARGS: args,
    HOSTS: resources.hosts,
    CURRENT_HOST: resources.current_host,
    CURRENT_INSTANCE_TYPE: resources.current_instance_type,
    CURRENT_INSTANCE_GROUP: resources.current_group_name,
    CURRENT_INSTANCE_GROUP_HOSTS: training.current_instance_group_hosts,
    INSTANCE_GROUPS: training.instance_groups,
    INSTANCE_GROUPS_DICT: groups,
    DISTRIBUTION_INSTANCE_GROUPS: [],
    IS_HETERO: false,
    NUM_GPUS: request.gpus,
    NUM_CPUS: cpus,
    NUM_NEURONS: 0,
    LOG_LEVEL: logLevel,
    NETWORK_INTERFACE_NAME: resources.network_interface_name,
    RESOURCE_CONFIG: resources,
    INPUT_DATA_CONFIG: channels,
    FRAMEWORK_MODULE: '',
    FRAMEWORK_PARAMS: {},
    MODULE_DIR: parts.submitDirectory,
    MODULE_NAME: moduleName,
    USER_ENTRY_POINT: program,
    TRAINING_ENV: training,
  };
  for (const [name, folder] of Object.entries(training.channel_input_dirs)) {
    values[`CHANNEL_${name.toUpperCase()}`] = folder;
  }
  for (const [name, value] of Object.entries(user)) values[`HP_${name.toUpperCase()}`] = value;
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [`SM_${name}`, spell(value)]));
}

/** Strings as they are; anything else as compact JSON with sorted keys. */
function spell(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value, sortKeys);
}

function sortKeys(_key: string, value: unknown): unknown {
  const parsed = record.safeParse(value);
  if (!parsed.success || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(parsed.data).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function pickBy(values: Readonly<Record<string, unknown>>, keep: (name: string) => boolean): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([name]) => keep(name)));
}

/**
 * The text that the toolkit leaves in `output/failure` when the script ends with an error, whatever the script left there.
 * XGBoost's image does not keep what the script said (`capture_error=False`).
 */
export function scriptFailure(
  image: LocalImage,
  exitCode: number,
  argv: readonly string[],
  errorOutput: string,
): string {
  const command = `Command "${argv.join(' ')}"`;
  if (image.toolkit === 'sagemaker-containers') return `ExecuteUserScriptError:\n${command}`;
  const killed = exitCode === 137 ? 'OutOfMemory: Process killed by SIGKILL (signal 9)\n' : '';
  return `ExecuteUserScriptError:\nExitCode ${exitCode}\nErrorMessage "${killed}${errorOutput.trim()}"\n${command}`;
}

/**
 * Whether pip makes a package of a program's code without an index: its pyproject.toml says that building it requires nothing.
 * Else pip fetches setuptools, which a container under network isolation cannot.
 * @param pyproject content of the file; undefined without one
 */
export function installsWithoutNetwork(pyproject: string | undefined): boolean {
  return pyproject !== undefined && /^requires\s*=\s*\[\s*\]/m.test(pyproject);
}

/** The text that the toolkit leaves in `output/failure` when pip fails. */
export function installFailure(image: LocalImage): string {
  return `InstallModuleError:\nCommand "${image.python} -m pip install ."`;
}
