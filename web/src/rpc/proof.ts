import { Cell } from '../cell';

/** A call that waits for the person to prove that they are there. */
export interface ProofWanted {
  /** True: it was proved, repeat the call. */
  readonly answer: (proved: boolean) => void;
}

/** The dialog shows while there is one. */
export const proofWanted = new Cell<ProofWanted | null>(null);

let asking: Promise<boolean> | null = null;

/** Asks the person once, however many calls wait. */
export function askForProof(): Promise<boolean> {
  asking ??= new Promise<boolean>((resolve) => proofWanted.set({ answer: resolve })).finally(() => {
    asking = null;
    proofWanted.set(null);
  });
  return asking;
}
