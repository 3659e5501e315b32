/**
 * What the values of a template are likely to be once they are deployed: references followed, names that CloudFormation
 * makes at their full length. To measure and to lint what AWS will see, without AWS.
 */
import type { CloudAssembly } from 'aws-cdk-lib/cx-api';
import * as z from 'zod';

const template = z.object({
  Resources: z.record(
    z.string(),
    z.object({
      Type: z.string(),
      Properties: z.record(z.string(), z.unknown()).default({}),
    }),
  ),
  Outputs: z
    .record(z.string(), z.object({ Value: z.unknown(), Export: z.object({ Name: z.string() }).optional() }))
    .default({}),
  Mappings: z.record(z.string(), z.record(z.string(), z.record(z.string(), z.unknown()))).default({}),
});
export type Template = z.infer<typeof template>;

export interface DeployedStack {
  readonly name: string;
  readonly template: Template;
}

/** @param content of a template file, parsed */
export const deployedStack = (name: string, content: unknown): DeployedStack => ({
  name,
  template: template.parse(content),
});

/** @param assembly of one environment, whose stacks refer to one another */
export const deployedStacks = ({ stacks }: CloudAssembly): DeployedStack[] =>
  stacks.map(({ stackName, template: content }) => deployedStack(stackName, content));

const ACCOUNT = '111122223333';
/** No other region's name is longer, and the registries of images are known in it. */
const REGION = 'ap-southeast-1';
const URL_SUFFIX = 'amazonaws.com';

interface Naming {
  /** Characters at most; CloudFormation cuts what it makes of stack, logical id and twelve random characters. */
  readonly longest: number;
  /** Of an ARN: its service, and what stands between account and name. */
  readonly service: string;
  readonly before?: string;
  readonly after?: string;
  /** The ARN has no region or no account in it. */
  readonly global?: 'region' | 'both';
  /** `Ref` is the ARN. */
  readonly refIsArn?: true;
}

/** Longest names: the `Pattern` and `Length` of each resource type in CloudFormation's template reference. */
const namings: Readonly<Record<string, Naming>> = {
  'AWS::Lambda::Function': { longest: 64, service: 'lambda', before: 'function:' },
  'AWS::IAM::Role': { longest: 64, service: 'iam', before: 'role/', global: 'region' },
  'AWS::S3::Bucket': { longest: 63, service: 's3', global: 'both' },
  'AWS::DynamoDB::Table': { longest: 255, service: 'dynamodb', before: 'table/' },
  'AWS::SQS::Queue': { longest: 80, service: 'sqs' },
  'AWS::SNS::Topic': { longest: 256, service: 'sns', refIsArn: true },
  'AWS::Events::EventBus': { longest: 256, service: 'events', before: 'event-bus/' },
  'AWS::Events::Rule': { longest: 64, service: 'events', before: 'rule/' },
  'AWS::CloudWatch::Alarm': { longest: 255, service: 'cloudwatch', before: 'alarm:' },
  'AWS::Logs::LogGroup': { longest: 512, service: 'logs', before: 'log-group:', after: ':*' },
  'AWS::KMS::Key': { longest: 36, service: 'kms', before: 'key/' },
};
const RANDOM = 'A1B2C3D4E5F6';
const KEY_ID = '11112222-3333-4444-5555-666677778888';

export class DeployedValues {
  readonly #stacks: ReadonlyMap<string, DeployedStack>;

  constructor(stacks: readonly DeployedStack[]) {
    this.#stacks = new Map(stacks.map((stack) => [stack.name, stack]));
  }

  /** @param stack in whose template the value stands */
  of(stack: DeployedStack, value: unknown): unknown {
    if (Array.isArray(value)) return value.map((each) => this.of(stack, each));
    if (typeof value !== 'object' || value === null) return value;
    const entries = Object.entries(value);
    const [only, ...others] = entries;
    if (only && others.length === 0 && (only[0] === 'Ref' || only[0].startsWith('Fn::')))
      return this.#intrinsic(stack, only[0], only[1]);
    return Object.fromEntries(entries.map(([key, each]) => [key, this.of(stack, each)]));
  }

  /** A value that must be text. */
  text(stack: DeployedStack, value: unknown): string {
    const found = this.of(stack, value);
    return typeof found === 'string' ? found : JSON.stringify(found);
  }

  #intrinsic(stack: DeployedStack, name: string, argument: unknown): unknown {
    switch (name) {
      case 'Ref':
        return this.#reference(stack, z.string().parse(argument));
      case 'Fn::GetAtt': {
        const [id = '', attribute = ''] = z.array(z.string()).parse(argument);
        return this.#attribute(stack, id, attribute);
      }
      case 'Fn::Join': {
        const [separator, parts] = z.tuple([z.string(), z.array(z.unknown())]).parse(argument);
        return parts.map((part) => this.text(stack, part)).join(separator);
      }
      case 'Fn::Sub':
        return z
          .string()
          .parse(argument)
          .replaceAll(/\$\{([\w:]+)\}/g, (_, id: string) => this.#reference(stack, id));
      case 'Fn::FindInMap': {
        const keys = z.tuple([z.string(), z.unknown(), z.string()]).parse(argument);
        return stack.template.Mappings[keys[0]]?.[this.text(stack, keys[1])]?.[keys[2]];
      }
      case 'Fn::GetStackOutput': {
        const { StackName, OutputName } = z.object({ StackName: z.string(), OutputName: z.string() }).parse(argument);
        return this.#output(StackName, OutputName);
      }
      case 'Fn::ImportValue':
        return this.#imported(this.text(stack, argument));
      default:
        throw new Error(
          `got the intrinsic function ${name} in ${stack.name}, expected one that deployed-values.ts knows`,
        );
    }
  }

  #imported(name: string): unknown {
    for (const producer of this.#stacks.values())
      for (const { Value, Export } of Object.values(producer.template.Outputs))
        if (Export?.Name === name) return this.of(producer, Value);
    throw new Error(`got an import of ${name}, which no stack exports`);
  }

  #output(stackName: string, name: string): unknown {
    const producer = this.#stacks.get(stackName);
    const output = producer?.template.Outputs[name];
    if (!(producer && output)) throw new Error(`got a reference to the output ${name} of ${stackName}, which has none`);
    return this.of(producer, output.Value);
  }

  #reference(stack: DeployedStack, id: string): string {
    const pseudo: Readonly<Record<string, string>> = {
      'AWS::AccountId': ACCOUNT,
      'AWS::Region': REGION,
      'AWS::Partition': 'aws',
      'AWS::URLSuffix': URL_SUFFIX,
      'AWS::StackName': stack.name,
    };
    const known = pseudo[id];
    if (known !== undefined) return known;
    const type = stack.template.Resources[id]?.Type ?? '';
    if (type === 'AWS::SQS::Queue') return `https://sqs.${REGION}.${URL_SUFFIX}/${ACCOUNT}/${nameOf(stack, id, type)}`;
    return namings[type]?.refIsArn ? this.#attribute(stack, id, 'Arn') : nameOf(stack, id, type);
  }

  #attribute(stack: DeployedStack, id: string, attribute: string): string {
    const type = stack.template.Resources[id]?.Type ?? '';
    const naming = namings[type];
    const name = nameOf(stack, id, type);
    if (!attribute.endsWith('Arn') || !naming) return name;
    const { service, before = '', after = '', global } = naming;
    const where = global === 'both' ? ':' : `${global === 'region' ? '' : REGION}:${ACCOUNT}`;
    return `arn:aws:${service}:${where}:${before}${name}${after}`;
  }
}

function nameOf(stack: DeployedStack, id: string, type: string): string {
  if (type === 'AWS::KMS::Key') return KEY_ID;
  const name = `${stack.name}-${id}`.slice(0, (namings[type]?.longest ?? 255) - RANDOM.length - 1);
  return type === 'AWS::S3::Bucket' ? `${name}-${RANDOM}`.toLowerCase() : `${name}-${RANDOM}`;
}
