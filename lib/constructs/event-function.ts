/**
 * A Lambda function with the habits of this house: own role, own encrypted log group, the environment that its handler
 * parses, and, when events wake it, retries and a dead-letter queue with an alarm.
 */
import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Architecture, Code, type IFunction, Function as LambdaFunction, Runtime } from 'aws-cdk-lib/aws-lambda';
import { type ILogGroup, LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { environments, type FunctionName, type VariablesOf } from '../../lambdas/contract/env.ts';
import { type Access, grant } from './access.ts';
import { deadLetterQueue } from './dead-letter-queue.ts';
import { functionPath } from './function-path.ts';
import type { Platform } from './platform.ts';

export interface EventFunctionProps<Name extends FunctionName> {
  readonly name: Name;
  readonly platform: Platform;
  /** What it may do and must know; leaving out a variable of its contract does not compile. */
  readonly access: Access<Needed<Name>>;
  /** One sentence for the console. */
  readonly description: string;
  /**
   * MiB; processing power comes with it.
   * @default 512
   */
  readonly memory?: number;
  /** @default one minute */
  readonly timeout?: Duration;
  /**
   * A client waits for the answer: no retries, no dead-letter queue.
   * @default false
   */
  readonly synchronous?: boolean;
}

/** A function without variables has, to TypeScript, every name as one. */
type Needed<Name extends FunctionName> = string extends keyof VariablesOf<Name> ? object : VariablesOf<Name>;

/** Beside the first attempt. */
export const RETRIES = 2;

export class EventFunction<Name extends FunctionName = FunctionName> extends Construct {
  readonly name: Name;
  readonly function: IFunction;
  readonly logGroup: ILogGroup;
  /** Absent for a synchronous function. */
  readonly deadLetters: IQueue | undefined;

  constructor(scope: Construct, id: string, props: EventFunctionProps<Name>) {
    super(scope, id);
    const { name, platform, access, description } = props;
    checkVariables(name, access.variables);
    this.name = name;
    const role = new Role(this, 'Role', {
      assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
      description: `Flywheel ${platform.environment.name}: ${name}`,
      path: functionPath(platform.environment.name),
    });
    const logGroup = new LogGroup(this, 'Logs', {
      encryptionKey: platform.key.key,
      retention: retentionOf(platform.environment.logRetentionDays),
      removalPolicy: RemovalPolicy.DESTROY,
    });
    logGroup.grantWrite(role);
    this.logGroup = logGroup;
    this.deadLetters = props.synchronous ? undefined : this.#deadLetterQueue(platform, role);
    grant(role, [...access.permissions, ...platform.key.decrypt().permissions]);
    this.function = new LambdaFunction(this, 'Function', {
      description: `Flywheel ${platform.environment.name}: ${description}`,
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      handler: 'index.handler',
      code: Code.fromAsset(platform.bundles.folderOf(name)),
      role,
      logGroup,
      environment: { ...access.variables, NODE_OPTIONS: '--enable-source-maps' },
      // Lambda decrypts them in the name of the role, by a grant that it makes or by the permission above.
      environmentEncryption: platform.key.key,
      memorySize: props.memory ?? 512,
      timeout: props.timeout ?? Duration.minutes(1),
      ...(this.deadLetters && { deadLetterQueue: this.deadLetters, retryAttempts: RETRIES }),
    });
  }

  #deadLetterQueue(platform: Platform, role: Role): IQueue {
    grant(role, platform.key.use().permissions);
    return deadLetterQueue(this, 'DeadLetters', { platform, of: this.name });
  }
}

/** Types allow a variable too many; the contract does not. */
function checkVariables(name: FunctionName, variables: object): void {
  const known = Object.keys(environments[name].shape);
  const unknown = Object.keys(variables).filter((variable) => !known.includes(variable));
  if (unknown.length > 0)
    throw new Error(
      `function ${name}: got the variables ${unknown.join(', ')}, expected only ${known.join(', ')}: change its access or lambdas/contract/env.ts`,
    );
}

/** CDK's enumeration has the days as its values. */
export function retentionOf(days: number): RetentionDays {
  const known = Object.values(RetentionDays).find((value) => value === days);
  if (typeof known !== 'number') throw new Error(`CloudWatch Logs keeps no log for ${days} days`);
  return known;
}
