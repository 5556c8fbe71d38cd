/**
 * A witness inside the world's database: who owned the region when an offer was made.
 *
 * Contract: its table and trigger belong to the test, in a schema of their own; the product does
 * not see them. The trigger runs in the offer's own transaction, so what it notes is what was true
 * when the offer was written, not what some poll saw around that time.
 */
import type { Sql } from "shared/sql/connect.ts";

/** Installs the witness. Call it before the services start. */
export async function installNotary(sql: Sql): Promise<void> {
  await sql.unsafe(`
    create schema chaos;
    create table chaos.offers_made (offer_id uuid primary key, owner text);
    create function chaos.note_offer() returns trigger language plpgsql as $$
    begin
      insert into chaos.offers_made (offer_id, owner)
      select new.id, (
        select l.owner from public.leases l join public.orders o on o.id = new.order_id
        where l.name = format('consumer:matcher:%s:%s', o.region, o.shard));
      return null;
    end $$;
    create trigger note_offer after insert on public.offers
      for each row execute function chaos.note_offer();`);
}

/** Owners of the region by offer: the process's name, or null where nobody held the lease. */
export async function ownersAtOffers(sql: Sql): Promise<Map<string, string | null>> {
  const [installed] = await sql<{ found: boolean }[]>`
    select to_regclass('chaos.offers_made') is not null as found`;
  if (installed?.found !== true) return new Map();
  const rows = await sql<{ offerId: string; owner: string | null }[]>`
    select offer_id, owner from chaos.offers_made`;
  return new Map(rows.map(({ offerId, owner }) => [offerId, owner?.split(":")[1] ?? null]));
}
