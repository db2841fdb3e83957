import { auth } from './clients';
import { endSession } from './session';

/** Long enough for a server that answers; a person who leaves does not wait for one that does not. */
const PATIENCE = { timeoutMs: 4000 } as const;

/** Ends the session at the server. Here it ends in any case. */
export async function signOut(): Promise<void> {
  try {
    await auth.logout({}, PATIENCE);
  } catch {
    // The session's tokens are forgotten here; what is left of it at the server ends unused.
  }
  endSession('signedOut');
}
