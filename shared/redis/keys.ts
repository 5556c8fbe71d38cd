/**
 * Every Redis key of Hexmile, built here and nowhere else. The comment of each says its type,
 * writer, readers and lifetime. `{region:shard}` is the Redis Cluster hash tag: all keys of a
 * partition share a slot, so that one script may touch them together.
 */
declare const partitionBrand: unique symbol;

/** `region:shard`: the unit of order and ownership. */
export type Partition = string & { readonly [partitionBrand]: true };

/** Names a partition. */
export function partitionOf(region: string, shard: number): Partition {
  return `${region}:${shard}` as Partition;
}

/**
 * The shard of an order or courier: FNV-1a (32 bit, http://www.isthe.com/chongo/tech/comp/fnv/)
 * of its id. By id and never by place: a moving courier keeps its partition.
 */
export function shardOf(id: string, shards: number): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < id.length; index++) {
    hash ^= id.charCodeAt(index);
    hash = Math.imul(hash, 0x01000193);
  }
  return (hash >>> 0) % shards;
}

export type RedisKeys = ReturnType<typeof redisKeys>;

/** The key builders of one installation. */
export function redisKeys(prefix: string) {
  const at = (name: string, partition: Partition) => `${prefix}${name}:{${partition}}`;
  return {
    /** string · keeper · all · for ever: equals redis_generation in Postgres. */
    generation: () => `${prefix}meta:generation`,
    /** stream · relay script · consumer groups · trimmed below every group's oldest unfinished. */
    events: (partition: Partition) => at("events", partition),
    /** hash {fence, batch, last, generation} · relay script, rebuild · relay · for ever. */
    relay: (partition: Partition) => at("relay", partition),
    /** stream, one entry per flush · ingest · grids of matcher and gateway, groups tracker and history · >= 60 s. */
    positions: (partition: Partition) => at("positions", partition),
    /** geo set · availability script · searches, checks · member while available and fresh. */
    couriersGeo: (partition: Partition) => at("couriers:geo", partition),
    /** zset by receivedAt ms, up to 10 s behind · availability script · sweep, grids at start · until offline. */
    couriersSeen: (partition: Partition) => at("couriers:seen", partition),
    /** hash {courier id: state} · availability script · ingest, grids at start · 48 h each, by the sweep. */
    couriers: (partition: Partition) => at("couriers:known", partition),
    /** stream · tracker script · trackers · 1 h after its last entry. */
    track: (partition: Partition, orderId: string) => `${at("track", partition)}:${orderId}`,
    /** hash {epoch, seq, orderVersion, ended} · tracker script · trackers · outlives its stream. */
    trackMeta: (partition: Partition, orderId: string) =>
      `${at("track_meta", partition)}:${orderId}`,
    /** string · tracker · tracker script · 1 h after the last viewer. */
    watch: (partition: Partition, orderId: string) => `${at("watch", partition)}:${orderId}`,
    /** channel (not a key) of a track's new entries · tracker script · trackers. */
    trackChannel: (partition: Partition, orderId: string) =>
      `${at("track_channel", partition)}:${orderId}`,
    /** channel (not a key) of one courier's offers and assignments · tracker · trackers. */
    courierChannel: (partition: Partition, courierId: string) =>
      `${at("courier_channel", partition)}:${courierId}`,
    /** string · gateway · all · its TTL; sessions stand in Postgres. */
    session: (tokenHash: string) => `${prefix}session:${tokenHash}`,
    /** string · gateway · tracker consumes it · 30 s, one use. */
    ticket: (ticketHash: string) => `${prefix}ticket:${ticketHash}`,
    /** list of times, or hash {attempts, until} · limit scripts · the same · the limit's window. */
    limit: (name: string, subject: string) => `${prefix}limit:${name}:{${subject}}`,
    /** string `version:value` · cache script · gateway · its TTL; never truth. */
    cache: (name: string, id: string) => `${prefix}cache:${name}:{${id}}`,
    /** string, a token · cache script · the same · 2 s: who loads a missing entry. */
    cacheLock: (name: string, id: string) => `${prefix}cache_lock:${name}:{${id}}`,
  };
}
