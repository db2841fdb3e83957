import { useQuery } from '@tanstack/react-query';
import { auth, CALL } from '../rpc/clients';
import { takeUser } from '../rpc/session';

/** The person who is signed in, whole. */
export function useMe() {
  return useQuery({
    queryKey: ['me'],
    queryFn: async ({ signal }) => {
      const me = await auth.getMe({}, { ...CALL, signal });
      takeUser(me);
      return me;
    },
  });
}
