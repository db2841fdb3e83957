import { useQuery } from '@tanstack/react-query';
import type { Zone } from '../gen/gad/v1/zone_pb';
import { CALL, zones } from '../rpc/clients';

const NONE: readonly Zone[] = [];

/** Zones change rarely and have no events: asked for once a visit. */
export function useZones(): readonly Zone[] {
  const { data } = useQuery({
    queryKey: ['zones'],
    queryFn: ({ signal }) => zones.listZones({}, { ...CALL, signal }),
    staleTime: Infinity,
  });
  return data?.zones ?? NONE;
}
