import type { Access, Caller } from '../core/access.ts';

/** IAM on AWS takes some seconds to act on a changed policy; here a permission that was taken away ends after one. */
const rememberedMs = 1000;
const mostRemembered = 10_000;

/** Who may invoke which endpoint. A yes is remembered for a second, because asking costs more than the invocation; a no is not. */
export class InvokePermission {
  private readonly allowedUntil = new Map<string, number>();

  /** @throws SageMakerError AccessDeniedException */
  async require(access: Pick<Access, 'require'>, caller: Caller, action: string, endpointArn: string): Promise<void> {
    const key = `${caller.accessKeyId} ${action} ${endpointArn}`;
    const now = performance.now();
    if ((this.allowedUntil.get(key) ?? 0) > now) return;
    await access.require(caller, action, endpointArn);
    if (this.allowedUntil.size >= mostRemembered) this.allowedUntil.clear();
    this.allowedUntil.set(key, now + rememberedMs);
  }
}
