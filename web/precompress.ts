import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import type { Plugin } from 'vite';

const COMPRESSIBLE = /\.(?:css|js|json|svg|txt|webmanifest)$/;
/** Smaller files fit into one packet as they are. */
const LEAST_BYTES = 1_000;

/** Writes `name.gz` and `name.br` beside every asset that becomes smaller by it: the server compresses nothing itself. */
export function precompress(): Plugin {
  return {
    name: 'precompress',
    apply: 'build',
    writeBundle: {
      order: 'post',
      handler({ dir }) {
        if (dir === undefined) return;
        const assets = join(dir, 'assets');
        for (const name of readdirSync(assets).filter((each) => COMPRESSIBLE.test(each))) {
          const path = join(assets, name);
          const content = readFileSync(path);
          if (content.length < LEAST_BYTES) continue;
          const params = {
            [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
            [constants.BROTLI_PARAM_SIZE_HINT]: content.length,
          };
          for (const [ending, smaller] of [
            ['gz', gzipSync(content, { level: constants.Z_BEST_COMPRESSION })],
            ['br', brotliCompressSync(content, { params })],
          ] as const) {
            if (smaller.length < content.length) writeFileSync(`${path}.${ending}`, smaller);
          }
        }
      },
    },
  };
}
