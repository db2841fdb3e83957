/** Time from the making of an access token to its end; the clock of this screen may be wrong, the difference is not. */
export function lifeMillis(token: string): number {
  try {
    const { iat, exp } = JSON.parse(atob((token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/'))) as {
      iat: number;
      exp: number;
    };
    return Number.isFinite(exp - iat) ? (exp - iat) * 1000 : 0;
  } catch {
    return 0;
  }
}
