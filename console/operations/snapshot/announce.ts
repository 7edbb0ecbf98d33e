import type { ControlContext } from '../context.ts';

/** Job that announces a manifest again after Redis did not take it. */
export const publishJob = 'snapshot.publish';

const publishAttempts = 10;

/**
 * Tells proxies which manifest is in force. Never throws: where Redis does not take it, a job tries again, and where not
 * even that can be queued a warning says so; proxies poll in any case.
 */
export async function announceManifest(context: ControlContext, manifestId: string): Promise<void> {
  try {
    await context.channel.publish(manifestId);
  } catch (error) {
    context.log.warn({ err: error, manifest: manifestId }, 'the manifest could not be announced; a job tries again');
    const job = {
      name: publishJob,
      id: `publish-${manifestId}`,
      data: { manifest: manifestId },
      attempts: publishAttempts,
    };
    await context.jobs.add(job).catch((failure: unknown) => {
      context.log.warn(
        { err: failure, manifest: manifestId },
        'the queue does not answer either; proxies find it by polling',
      );
    });
  }
}
