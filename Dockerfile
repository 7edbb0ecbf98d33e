# One image for every process of HOC. `docker run` alone is one-machine mode; `docker run ... hoc proxy` one process.
# The steps use nothing but npm's registry and Debian's packages.

FROM node:20-bookworm-slim AS build
WORKDIR /src
COPY package.json package-lock.json ./
COPY deploy/setup deploy/setup
RUN node deploy/setup/install.mjs
COPY . .
RUN node deploy/setup/build.mjs && npm prune --omit=dev --no-audit --no-fund

FROM node:20-bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends redis-server util-linux \
 && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin hoc \
 && install -d -o hoc -g hoc -m 0700 /data
WORKDIR /app
COPY --from=build /src/package.json ./
COPY --from=build /src/node_modules ./node_modules
COPY --from=build /src/dist ./dist
RUN ln -s /app/dist/cli/main.js /usr/local/bin/hoc
USER hoc
ENV NODE_ENV=production \
    HOC_PROXY_LISTEN=0.0.0.0:7080 \
    HOC_CONSOLE_LISTEN=0.0.0.0:7081 \
    HOC_ADMIN_LISTEN=0.0.0.0:7082
VOLUME /data
EXPOSE 7080 7081 7082
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:7082/livez').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/app/dist/cli/main.js"]
CMD ["start", "--data", "/data"]
