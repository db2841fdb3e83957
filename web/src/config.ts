import { createContext, useContext } from 'react';

/** What the server says of this installation; see `/config.json`. */
export interface Config {
  /** Leaflet template of map tiles; without it the map has none and asks nobody. */
  readonly tileUrl: string | null;
  /** Name of the installation, such as `demo`. */
  readonly environment: string;
  /** Whether people may make accounts for themselves. */
  readonly openRegistration: boolean;
}

const NOTHING_KNOWN: Config = { tileUrl: null, environment: '', openRegistration: false };

export async function loadConfig(): Promise<Config> {
  try {
    const answer = await fetch('/config.json', { headers: { accept: 'application/json' } });
    const body = (await answer.json()) as { tile_url?: unknown; environment?: unknown; open_registration?: unknown };
    return {
      tileUrl: typeof body.tile_url === 'string' && body.tile_url !== '' ? body.tile_url : null,
      environment: typeof body.environment === 'string' ? body.environment : '',
      openRegistration: body.open_registration === true,
    };
  } catch {
    return NOTHING_KNOWN;
  }
}

export const ConfigContext = createContext(NOTHING_KNOWN);

export function useConfig(): Config {
  return useContext(ConfigContext);
}
