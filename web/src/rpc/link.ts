/** The secret of the mailed link that the page was opened with, if any. It leaves the address bar and the history at once. */
export const linkToken = takeLinkToken();

function takeLinkToken(): string {
  const token = new URLSearchParams(location.search).get('token') ?? '';
  if (token !== '') history.replaceState(null, '', location.pathname);
  return token;
}
