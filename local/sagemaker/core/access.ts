import * as z from 'zod';
import type { Scope } from './arn.ts';
import { secretHeader } from './callers.ts';
import type { Clock } from './clock.ts';
import { accessDenied, SageMakerError } from './errors.ts';
import { readClaim, type SignedRequest, verifySignature } from './signature.ts';

/** Who calls, known by a verified signature. */
export interface Caller extends Scope {
  readonly accessKeyId: string;
  readonly principalArn: string;
}

export interface AccessOptions {
  /** URL of the laptop cloud, whose IAM decides. */
  readonly endpoint: string;
  /** Without it every caller may do everything, for tests without IAM. */
  readonly enforce: boolean;
  readonly clock: Clock;
  /** Of the laptop cloud. */
  readonly secret: string;
}

/** Of the control plane and of the runtime. */
const signingName = 'sagemaker';

interface KnownKey {
  readonly account: string;
  readonly principalArn: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string | undefined;
}

const decision = z.object({
  allowed: z.boolean(),
  account: z.string().optional(),
  principalArn: z.string().optional(),
  code: z.string().optional(),
  message: z.string().optional(),
});

const signingKey = z.object({ secretAccessKey: z.string(), sessionToken: z.string().nullish() });

/** Identifies and authorizes callers with the laptop cloud's IAM, the one evaluator for all its services. */
export class Access {
  readonly #options: AccessOptions;
  /** The owner and the secret of a key never change, so they are asked for once; what it may do is asked for each time. */
  readonly #keys = new Map<string, KnownKey>();

  constructor(options: AccessOptions) {
    this.#options = options;
  }

  /** @throws SageMakerError in AWS's words when the signature or the key is not valid */
  async identify(request: SignedRequest): Promise<Caller> {
    const claim = readClaim(request);
    const { accessKeyId, region } = claim;
    if (this.#options.enforce && claim.service !== signingName) {
      throw new SageMakerError(
        'InvalidSignatureException',
        `Credential should be scoped to correct service: '${signingName}'.`,
        403,
      );
    }
    if (!this.#options.enforce) {
      const account = /^\d{12}$/.test(accessKeyId) ? accessKeyId : '000000000000';
      return { accessKeyId, region, account, principalArn: `arn:aws:iam::${account}:root` };
    }
    const key = await this.#key(accessKeyId, region);
    if (key.sessionToken !== undefined && key.sessionToken !== request.headers['x-amz-security-token']) {
      throw invalidToken('The security token included in the request is invalid.');
    }
    verifySignature(request, claim, key.secretAccessKey, this.#options.clock.now());
    return { accessKeyId, region, account: key.account, principalArn: key.principalArn };
  }

  /**
   * @param action for example `sagemaker:CreateTrainingJob`
   * @param context condition keys, for example `{ 'iam:PassedToService': ['sagemaker.amazonaws.com'] }`
   * @throws SageMakerError AccessDeniedException
   */
  async require(
    caller: Pick<Caller, 'accessKeyId' | 'region'>,
    action: string,
    resource: string,
    context: Readonly<Record<string, readonly string[]>> = {},
  ): Promise<void> {
    if (!this.#options.enforce) return;
    const { accessKeyId, region } = caller;
    const answer = await this.#ask(accessKeyId, action, resource, region, context);
    if (answer.allowed) return;
    const message = answer.message ?? `Not authorized to perform: ${action} on resource: ${resource}`;
    if (answer.principalArn === undefined) throw invalidToken(message, answer.code);
    throw accessDenied(message);
  }

  async #key(accessKeyId: string, region: string): Promise<KnownKey> {
    const known = this.#keys.get(accessKeyId);
    if (known) return known;
    const [owner, signing] = await Promise.all([
      this.#ask(accessKeyId, 'sts:GetCallerIdentity', '*', region, {}),
      this.#post('signing-key', { accessKeyId }),
    ]);
    const parsed = signingKey.safeParse(signing.body);
    if (owner.account === undefined || owner.principalArn === undefined || !parsed.success) {
      throw invalidToken(owner.message ?? 'The security token included in the request is invalid.', owner.code);
    }
    const { secretAccessKey, sessionToken } = parsed.data;
    const { account, principalArn } = owner;
    const key = { account, principalArn, secretAccessKey, sessionToken: sessionToken ?? undefined };
    this.#keys.set(accessKeyId, key);
    return key;
  }

  async #ask(
    accessKeyId: string,
    action: string,
    resource: string,
    region: string,
    context: Readonly<Record<string, readonly string[]>>,
  ): Promise<z.infer<typeof decision>> {
    const { body } = await this.#post('authorize', { accessKeyId, action, resource, context, region });
    return decision.parse(body);
  }

  async #post(route: string, body: unknown): Promise<{ status: number; body: unknown }> {
    const url = `${this.#options.endpoint}/_flywheel/${route}`;
    try {
      const headers = { [secretHeader]: this.#options.secret };
      const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
      return { status: answer.status, body: await answer.json() };
    } catch (error) {
      throw new SageMakerError('ServiceUnavailable', `The laptop cloud's IAM at ${url} does not answer: ${error}`, 503);
    }
  }
}

function invalidToken(message: string, code = 'UnrecognizedClientException'): SageMakerError {
  return new SageMakerError(code, message, code === 'UnrecognizedClientException' ? 400 : 403);
}
