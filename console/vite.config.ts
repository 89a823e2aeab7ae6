import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// The manager serves the result under a policy of `script-src 'self'; style-src 'self'`:
// nothing may be inlined, neither small assets as data URIs nor the module-preload helper.
export default defineConfig({
  plugins: [react()],
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 700,
  },
  server: {
    proxy: {
      "/api": {
        target: process.env.SAKIMORI_URL ?? "https://127.0.0.1:4433",
        changeOrigin: true,
        secure: false,
      },
    },
  },
  test: {
    environment: "happy-dom",
    include: ["src/**/*.test.{ts,tsx}"],
    restoreMocks: true,
  },
});
