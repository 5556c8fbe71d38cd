/**
 * Made by `deno task openapi` from the routes: do not edit. The shapes of the public API,
 * and its operations by name.
 */

export interface AccessToken {
  readonly accessToken: string;
  readonly tokenType: "Bearer";
  readonly expiresAt: string;
}

export interface Account {
  readonly id: string;
  readonly role: Role;
  readonly name: string;
  readonly email: string;
}

export interface Alert {
  readonly id: string;
  readonly orderId: string;
  readonly regionId: string;
  readonly state: "raised" | "cleared";
  readonly reason: string;
  readonly occurredAt: string;
}

export interface AlertPage {
  readonly items: Alert[];
  readonly nextCursor: string | null;
}

export interface ApiKey {
  readonly id: string;
  readonly name: string;
  readonly mode: Mode;
  readonly prefix: string;
  readonly scopes: Scope[];
  readonly requestsPerMinute: number | null;
  readonly createdAt: string;
  readonly expiresAt: string | null;
  readonly revokedAt: string | null;
  readonly lastUsedAt: string | null;
}

export interface ApiKeyList {
  readonly items: ApiKey[];
}

export interface ApiKeyPage {
  readonly items: ApiKey[];
  readonly nextCursor: string | null;
}

export interface Arrival {
  readonly stop: "pickup" | "dropoff";
}

export interface Assignment {
  readonly id: string;
  readonly orderId: string;
  readonly order: Order;
}

export interface AssignmentList {
  readonly items: Assignment[];
}

export interface AuditEntry {
  readonly id: string;
  readonly at: string;
  readonly actorAccountId: string | null;
  readonly credentialKind: string | null;
  readonly credentialId: string | null;
  readonly action: string;
  readonly subjectKind: string | null;
  readonly subjectId: string | null;
  readonly details: Readonly<Record<string, unknown>>;
  readonly clientAddress: string | null;
  readonly requestId: string | null;
}

export interface AuditEntryPage {
  readonly items: AuditEntry[];
  readonly nextCursor: string | null;
}

export type CancelCode =
  | "changed_mind"
  | "ordered_by_mistake"
  | "wrong_address"
  | "too_slow"
  | "merchant_closed"
  | "out_of_stock"
  | "no_courier"
  | "fraud"
  | "other";

export interface CancelOrder {
  readonly code?: CancelCode;
  readonly reason?: string;
}

export interface Cancellation {
  readonly by: string;
  readonly code: CancelCode;
  readonly reason: string | null;
  readonly feeMinor: number;
  readonly parts: {
    readonly code: string;
    readonly amountMinor: number;
  }[];
}

export interface CategoryCount {
  readonly name: string;
  readonly merchants: number;
}

export interface CategoryCountList {
  readonly items: CategoryCount[];
}

export type ChannelMessage =
  | {
    readonly type: "offers";
    readonly offers: Offer[];
  }
  | {
    readonly type: "offer.made";
    readonly offer: Offer;
  }
  | {
    readonly type: "offer.closed";
    readonly offerId: string;
    readonly orderId: string;
    readonly reason: "accepted" | "rejected" | "expired" | "withdrawn";
  }
  | {
    readonly type: "order.status";
    readonly orderId: string;
    readonly status: OrderState;
  }
  | {
    readonly type: "assignment.created";
    readonly orderId: string;
    readonly assignmentId: string;
  }
  | {
    readonly type: "assignment.ended";
    readonly orderId: string;
    readonly reason: string;
  };

export interface Contact {
  readonly name: string;
  readonly phone?: string;
}

export interface Courier {
  readonly id: string;
  readonly name: string;
  readonly regionId: string;
  readonly vehicle: Vehicle;
  readonly capacity: number;
  readonly activeAssignments: number;
  readonly maxLoadG: number | null;
  readonly skills: string[];
  readonly status: CourierStatus;
  readonly rating: number;
  readonly version: number;
}

export interface CourierFleet {
  readonly merchantId: string | null;
}

export interface CourierProfile {
  readonly vehicle?: Vehicle;
  readonly capacity?: number;
  readonly maxLoadG?: number | null;
}

export interface CourierProfileByDispatcher {
  readonly vehicle?: Vehicle;
  readonly capacity?: number;
  readonly maxLoadG?: number | null;
  readonly skills?: string[];
}

export interface CourierStats {
  readonly days: number;
  readonly offers: number;
  readonly acceptanceRate: number | null;
  readonly assignments: number;
  readonly completionRate: number | null;
  readonly averageRating: number | null;
  readonly ratings: number;
}

export type CourierStatus = "available" | "busy" | "paused" | "offline";

export interface CourierStop {
  readonly sequence: number;
  readonly kind: "pickup" | "dropoff" | "return";
  readonly orderId: string;
  readonly place: Place;
  readonly note: string | null;
  readonly arrivedAt: string | null;
  readonly cashMinor: number;
  readonly currency: string;
}

export interface CourierStopList {
  readonly items: CourierStop[];
}

export interface CreateMenuCategory {
  readonly name: string;
  readonly sortOrder?: number;
}

export interface CreateMenuItem {
  readonly name: string;
  readonly description?: string;
  readonly categoryId?: string | null;
  readonly sortOrder?: number;
  readonly priceMinor: number;
  readonly available?: boolean;
  readonly optionGroups?: {
    readonly id: string;
    readonly name: string;
    readonly minChoices?: number;
    readonly maxChoices?: number;
    readonly options: {
      readonly id: string;
      readonly name: string;
      readonly priceDeltaMinor?: number;
      readonly available?: boolean;
      readonly maxQuantity?: number;
    }[];
  }[];
}

export interface CreateMerchant {
  readonly name: string;
  readonly category: string;
  readonly description?: string;
  readonly address: string;
  readonly location: Point;
  readonly preparationMinutes: number;
  readonly timeZone?: string | null;
  readonly hours?: {
    readonly weekly: {
      readonly day: number;
      readonly opens: string;
      readonly closes: string;
    }[];
    readonly exceptions: {
      readonly date: string;
      readonly intervals: {
        readonly opens: string;
        readonly closes: string;
      }[];
    }[];
  } | null;
  readonly takesOrders?: boolean;
  readonly fleet?: "own" | "shared";
  readonly accountId?: string;
}

export interface CreateZone {
  readonly regionId: string;
  readonly name: string;
  readonly ring: Point[];
  readonly priority?: number;
  readonly fees: {
    readonly baseMinor?: number | null;
    readonly perKmMinor?: number | null;
    readonly surchargeMinor?: number;
    readonly minBasketMinor?: number;
    readonly peaks?: {
      readonly day: number;
      readonly opens: string;
      readonly closes: string;
      readonly label: string;
      readonly multiplierPercent?: number;
      readonly additionMinor?: number;
    }[];
  };
}

export type CreatedApiKey = ApiKey & {
  readonly key: string;
};

export interface Demo {
  readonly enabled: true;
  readonly regionId: string;
  readonly customer: {
    readonly email: string;
    readonly password: string;
  };
}

export interface Earnings {
  readonly currency: string;
  readonly timeZone: string;
  readonly today: {
    readonly deliveries: number;
    readonly deliveryMinor: number;
    readonly tipMinor: number;
    readonly cancellationMinor: number;
    readonly totalMinor: number;
  };
  readonly week: {
    readonly deliveries: number;
    readonly deliveryMinor: number;
    readonly tipMinor: number;
    readonly cancellationMinor: number;
    readonly totalMinor: number;
  };
  readonly month: {
    readonly deliveries: number;
    readonly deliveryMinor: number;
    readonly tipMinor: number;
    readonly cancellationMinor: number;
    readonly totalMinor: number;
  };
}

export interface FieldProblem {
  readonly field: string;
  readonly bound: string;
  readonly value?: unknown;
}

export interface Fix {
  readonly lat: number;
  readonly lon: number;
  readonly accuracyM?: number;
  readonly headingDeg?: number;
  readonly speedMps?: number;
  readonly recordedAt: string;
}

export interface FixAnswer {
  readonly accepted: boolean;
  readonly reason?: FixCode;
  readonly clamped?: true;
  readonly degraded?: true;
}

export interface FixBatch {
  readonly positions: Fix[];
}

export interface FixBatchAnswer {
  readonly accepted: number;
  readonly results: PointCode[];
  readonly errors?: {
    readonly field: string;
    readonly bound: string;
    readonly value?: unknown;
  }[];
  readonly degraded?: true;
}

export type FixCode =
  | "accepted"
  | "late"
  | "low_accuracy"
  | "jump"
  | "duplicate"
  | "stale"
  | "limited"
  | "outside_region"
  | "off_shift"
  | "unknown"
  | "full"
  | "unavailable";

export interface JsonWebKeySet {
  readonly keys: {
    readonly kty: string;
    readonly crv: string;
    readonly x: string;
    readonly kid: string;
    readonly alg: string;
    readonly use: string;
  }[];
}

export interface Location {
  readonly lat: number;
  readonly lon: number;
  readonly recordedAt: string;
  readonly accuracyM?: number;
  readonly headingDeg?: number;
  readonly speedMps?: number;
  readonly kind: "usual" | "late" | "low_accuracy" | "jump";
  readonly carrying: boolean;
  readonly fixes: number;
}

export interface LocationFeatures {
  readonly type: "FeatureCollection";
  readonly features: {
    readonly type: "Feature";
    readonly geometry: {
      readonly type: "LineString";
      readonly coordinates: number[][];
    } | {
      readonly type: "Point";
      readonly coordinates: number[];
    };
    readonly properties: {
      readonly coordTimes: string[];
    };
  }[];
}

export interface Locations {
  readonly items: Location[];
  readonly nextCursor: string | null;
}

export interface Login {
  readonly email: string;
  readonly password: string;
}

export type ManagedAccount = Account & {
  readonly createdAt: string;
  readonly suspendedAt: string | null;
};

export interface ManagedAccountPage {
  readonly items: ManagedAccount[];
  readonly nextCursor: string | null;
}

export interface Menu {
  readonly items: MenuItem[];
  readonly categories: MenuCategory[];
}

export interface MenuCategory {
  readonly id: string;
  readonly name: string;
  readonly sortOrder: number;
}

export interface MenuItem {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly categoryId: string | null;
  readonly sortOrder: number;
  readonly priceMinor: number;
  readonly currency: string;
  readonly available: boolean;
  readonly optionGroups: {
    readonly id: string;
    readonly name: string;
    readonly minChoices?: number;
    readonly maxChoices?: number;
    readonly options: {
      readonly id: string;
      readonly name: string;
      readonly priceDeltaMinor?: number;
      readonly available?: boolean;
      readonly maxQuantity?: number;
    }[];
  }[];
}

export interface Merchant {
  readonly id: string;
  readonly regionId: string;
  readonly name: string;
  readonly category: string;
  readonly address: string;
  readonly location: Point;
  readonly preparationMinutes: number;
  readonly open: boolean;
  readonly opensAt: string | null;
  readonly closesAt: string | null;
  readonly distanceM?: number;
}

export type MerchantDetails = Merchant & {
  readonly description: string;
  readonly timeZone: string;
  readonly hours: {
    readonly weekly: {
      readonly day: number;
      readonly opens: string;
      readonly closes: string;
    }[];
    readonly exceptions: {
      readonly date: string;
      readonly intervals: {
        readonly opens: string;
        readonly closes: string;
      }[];
    }[];
  } | null;
};

export interface MerchantPage {
  readonly items: Merchant[];
  readonly nextCursor: string | null;
}

export type MerchantProfile = MerchantDetails & {
  readonly accountId: string;
  readonly takesOrders: boolean;
  readonly pausedUntil: string | null;
  readonly fleet: "own" | "shared";
  readonly createdAt: string;
  readonly updatedAt: string;
};

export interface MerchantProfileList {
  readonly items: MerchantProfile[];
}

export type Mode = "live" | "test";

export interface NearestCouriers {
  readonly source: "grid" | "redis" | "postgres";
  readonly regionId: string;
  readonly radiusM: number;
  readonly items: {
    readonly courierId: string;
    readonly position: Point;
    readonly distanceM: number;
    readonly heardAgoMs: number;
    readonly vehicle: Vehicle;
    readonly capacity: number;
    readonly activeAssignments: number;
    readonly skills: string[];
    readonly rating: number;
    readonly fleetMerchantId: string | null;
    readonly version: number;
  }[];
}

export interface NewApiKey {
  readonly name: string;
  readonly mode: Mode;
  readonly scopes: Scope[];
  readonly requestsPerMinute?: number;
  readonly expiresAt?: string;
}

export interface NewDeviceKey {
  readonly name: string;
}

export interface NewStaffAccount {
  readonly role: "dispatcher" | "admin";
  readonly email: string;
  readonly password: string;
  readonly name: string;
}

export interface Offer {
  readonly id: string;
  readonly orderId: string;
  readonly attempt: number;
  readonly distanceToPickupM: number;
  readonly distanceM: number;
  readonly expiresAt: string;
  readonly pickup: Place;
  readonly dropoff: Place;
}

export interface OfferList {
  readonly items: Offer[];
}

export interface OpenApiDocument {
  readonly openapi: string;
  readonly [name: string]: unknown;
}

export interface Order {
  readonly id: string;
  readonly externalId: string | null;
  readonly kind: OrderKind;
  readonly mode: Mode;
  readonly status: OrderState;
  readonly version: number;
  readonly regionId: string;
  readonly merchantId: string | null;
  readonly items: {
    readonly menuItemId: string;
    readonly name: string;
    readonly quantity: number;
    readonly priceMinor: number;
    readonly options?: {
      readonly optionId: string;
      readonly name: string;
      readonly quantity: number;
      readonly priceDeltaMinor: number;
    }[];
  }[];
  readonly note: string | null;
  readonly pickup: Stop;
  readonly dropoff: Stop;
  readonly parcel: {
    readonly size: Size | null;
    readonly weightG: number | null;
    readonly requiredVehicles: string[];
    readonly requiredSkills: string[];
  } | null;
  readonly window: TimeWindow | null;
  readonly releaseAt: string | null;
  readonly hold: "scheduled" | "dispatcher" | null;
  readonly distanceM: number;
  readonly priceMinor: {
    readonly items: number;
    readonly delivery: number;
    readonly tip: number;
    readonly total: number;
  };
  readonly price: Price;
  readonly quoteId: string | null;
  readonly currency: string;
  readonly cashOnDelivery: {
    readonly amountMinor: number;
    readonly collectedMinor: number | null;
  } | null;
  readonly cancellation: Cancellation | null;
  readonly placedAt: string;
  readonly estimatedDeliveryAt: string;
  readonly stateTimes: Readonly<Record<string, string>>;
  readonly courier: {
    readonly id: string;
    readonly name: string;
    readonly vehicle: string;
  } | null;
  readonly tracking: {
    readonly url: string;
    readonly token?: string;
  };
  readonly dispatch?: {
    readonly attention: string | null;
    readonly attentionAt: string | null;
    readonly redispatches: number;
  };
}

export interface OrderEvent {
  readonly id: string;
  readonly type: string;
  readonly occurredAt: string;
  readonly actor: {
    readonly role: string;
    readonly id?: string;
  };
  readonly reason?: string;
  readonly data?: unknown;
}

export interface OrderEventList {
  readonly items: OrderEvent[];
}

export type OrderKind = "marketplace" | "parcel";

export interface OrderList {
  readonly items: Order[];
}

export interface OrderPage {
  readonly items: Order[];
  readonly nextCursor: string | null;
}

export interface OrderPosition {
  readonly position: {
    readonly lat: number;
    readonly lon: number;
    readonly accuracyM?: number;
    readonly headingDeg?: number;
    readonly speedMps?: number;
    readonly recordedAt: string;
  } | null;
  readonly parcel: ParcelPosition | null;
}

export type OrderState =
  | "placed"
  | "confirmed"
  | "preparing"
  | "ready_for_pickup"
  | "picked_up"
  | "in_transit"
  | "delivered"
  | "failed_attempt"
  | "returning"
  | "returned"
  | "cancelled"
  | "failed"
  | "expired";

export interface OrderStep {
  readonly reason?: string;
  readonly cashCollectedMinor?: number;
}

export interface OsmAndForm {
  readonly id: string;
  readonly lat?: number;
  readonly lon?: number;
  readonly timestamp?: number | string;
  readonly accuracy?: number;
  readonly bearing?: number;
  readonly speed?: number;
  readonly [name: string]: unknown;
}

export interface OwnSession {
  readonly id: string;
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly userAgent: string | null;
  readonly current: boolean;
}

export interface OwnSessionList {
  readonly items: OwnSession[];
}

export type OwnTracksAnswer = unknown[];

export interface OwnTracksMessage {
  readonly _type: string;
  readonly lat?: number;
  readonly lon?: number;
  readonly acc?: number;
  readonly vel?: number;
  readonly cog?: number;
  readonly tst?: number;
  readonly [name: string]: unknown;
}

export type Page = string;

export interface ParcelPosition {
  readonly lat: number;
  readonly lon: number;
  readonly accuracyM?: number;
  readonly headingDeg?: number;
  readonly speedMps?: number;
  readonly recordedAt: string;
}

export interface ParcelPositionPage {
  readonly items: ParcelPosition[];
  readonly nextCursor: string | null;
}

export interface PasswordChange {
  readonly currentPassword: string;
  readonly newPassword: string;
}

export interface PauseMerchant {
  readonly minutes: number;
}

export interface Place {
  readonly lat: number;
  readonly lon: number;
  readonly address?: string;
}

export type PlaceOrder =
  | {
    readonly kind: "marketplace";
    readonly merchantId: string;
    readonly items: {
      readonly menuItemId: string;
      readonly quantity: number;
      readonly options?: {
        readonly optionId: string;
        readonly quantity?: number;
      }[];
    }[];
    readonly externalId?: string;
    readonly dropoffNote?: string;
    readonly dropoffContact?: Contact;
    readonly cashOnDeliveryMinor?: number;
    readonly note?: string;
    readonly quoteId?: string;
    readonly dropoff: Place;
    readonly window?: TimeWindow;
    readonly tipMinor?: number;
  }
  | {
    readonly kind: "parcel";
    readonly pickup: Place;
    readonly pickupNote?: string;
    readonly pickupContact?: Contact;
    readonly size?: Size;
    readonly weightG?: number;
    readonly requiredVehicles?: Vehicle[];
    readonly requiredSkills?: string[];
    readonly externalId?: string;
    readonly dropoffNote?: string;
    readonly dropoffContact?: Contact;
    readonly cashOnDeliveryMinor?: number;
    readonly note?: string;
    readonly quoteId?: string;
    readonly dropoff: Place;
    readonly window?: TimeWindow;
    readonly tipMinor?: number;
  }
  | {
    readonly kind: "quoted";
    readonly quoteId: string;
    readonly pickupNote?: string;
    readonly pickupContact?: Contact;
    readonly size?: Size;
    readonly weightG?: number;
    readonly requiredVehicles?: Vehicle[];
    readonly requiredSkills?: string[];
    readonly externalId?: string;
    readonly dropoffNote?: string;
    readonly dropoffContact?: Contact;
    readonly cashOnDeliveryMinor?: number;
    readonly note?: string;
  };

export interface PlaceOrders {
  readonly orders: PlaceOrder[];
}

export interface PlacedOrders {
  readonly items: {
    readonly index: number;
    readonly status: number;
    readonly replayed: boolean;
    readonly order?: Order;
    readonly problem?: {
      readonly code: string;
      readonly title: string;
      readonly status: number;
      readonly [name: string]: unknown;
    };
  }[];
}

export interface PlanShift {
  readonly startsAt: string;
  readonly endsAt: string;
  readonly breaks?: {
    readonly startsAt: string;
    readonly endsAt: string;
  }[];
}

export interface Point {
  readonly lat: number;
  readonly lon: number;
}

export type PointCode =
  | "accepted"
  | "late"
  | "low_accuracy"
  | "jump"
  | "duplicate"
  | "stale"
  | "limited"
  | "outside_region"
  | "off_shift"
  | "unknown"
  | "full"
  | "unavailable"
  | "malformed";

export interface PositionTicket {
  readonly ticket: string;
  readonly expiresAt: string;
}

export interface Price {
  readonly parts: {
    readonly kind: PricePartKind;
    readonly label: string;
    readonly amountMinor: number;
  }[];
  readonly totalMinor: number;
  readonly currency: string;
}

export type PricePartKind =
  | "items"
  | "delivery_base"
  | "distance"
  | "zone"
  | "peak"
  | "small_basket"
  | "tip";

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: string;
  readonly detail?: string;
  readonly instance?: string;
  readonly errors?: FieldProblem[];
  readonly [name: string]: unknown;
}

export interface Quote {
  readonly serviceable: true;
  readonly id: string;
  readonly regionId: string;
  readonly price: Price;
  readonly items: {
    readonly menuItemId: string;
    readonly name: string;
    readonly quantity: number;
    readonly priceMinor: number;
    readonly options?: {
      readonly optionId: string;
      readonly name: string;
      readonly quantity: number;
      readonly priceDeltaMinor: number;
    }[];
  }[];
  readonly distanceM: number;
  readonly eta: {
    readonly estimated: true;
    readonly p50At: string;
    readonly p90At: string;
  };
  readonly createdAt: string;
  readonly validUntil: string;
}

export type QuoteRequest =
  | {
    readonly kind: "marketplace";
    readonly merchantId: string;
    readonly items: {
      readonly menuItemId: string;
      readonly quantity: number;
      readonly options?: {
        readonly optionId: string;
        readonly quantity?: number;
      }[];
    }[];
    readonly dropoff: Place;
    readonly window?: TimeWindow;
    readonly tipMinor?: number;
  }
  | {
    readonly kind: "parcel";
    readonly pickup: Place;
    readonly dropoff: Place;
    readonly window?: TimeWindow;
    readonly tipMinor?: number;
  };

export interface RaiseTip {
  readonly tipMinor: number;
}

export interface Rating {
  readonly stars: number;
  readonly comment?: string;
}

export interface Reason {
  readonly reason?: string;
}

export interface Reassign {
  readonly courierId: string;
  readonly courierVersion?: number;
  readonly reason?: string;
}

export interface RefreshedSession {
  readonly token: string;
  readonly expiresAt: string;
}

export interface Region {
  readonly id: string;
  readonly name: string;
  readonly timeZone: string;
  readonly currency: string;
  readonly bounds: {
    readonly south: number;
    readonly west: number;
    readonly north: number;
    readonly east: number;
  };
}

export interface RegionList {
  readonly items: Region[];
}

export type Register =
  | {
    readonly role: "customer" | "merchant";
    readonly email: string;
    readonly password: string;
    readonly name: string;
  }
  | {
    readonly role: "courier";
    readonly email: string;
    readonly password: string;
    readonly name: string;
    readonly vehicle: Vehicle;
    readonly regionId: string;
  };

export interface Reorder {
  readonly externalId?: string;
  readonly window?: TimeWindow;
  readonly tipMinor?: number;
  readonly note?: string;
}

export interface ReplaceZone {
  readonly name: string;
  readonly ring: Point[];
  readonly priority?: number;
  readonly fees: {
    readonly baseMinor?: number | null;
    readonly perKmMinor?: number | null;
    readonly surchargeMinor?: number;
    readonly minBasketMinor?: number;
    readonly peaks?: {
      readonly day: number;
      readonly opens: string;
      readonly closes: string;
      readonly label: string;
      readonly multiplierPercent?: number;
      readonly additionMinor?: number;
    }[];
  };
}

export type Role = "customer" | "courier" | "merchant" | "dispatcher" | "admin";

export interface RotateSigningKey {
  readonly compromised: boolean;
}

export interface RotatedSigningKey {
  readonly kid: string;
}

export type Scope =
  | "orders:read"
  | "orders:write"
  | "merchants:read"
  | "merchants:write"
  | "couriers:read"
  | "couriers:write"
  | "positions:write";

export interface Session {
  readonly account: Account;
  readonly token: string;
  readonly expiresAt: string;
}

export interface Shift {
  readonly id: string;
  readonly startsAt: string;
  readonly endsAt: string;
  readonly breaks: {
    readonly startsAt: string;
    readonly endsAt: string;
  }[];
}

export interface ShiftList {
  readonly items: Shift[];
}

export interface Size {
  readonly lengthCm: number;
  readonly widthCm: number;
  readonly heightCm: number;
}

export interface Stop {
  readonly lat: number;
  readonly lon: number;
  readonly address?: string;
  readonly note?: string;
  readonly contact?: Contact;
}

export interface StreetMap {
  readonly version: 1;
  readonly attribution: string;
  readonly bounds: {
    readonly south: number;
    readonly west: number;
    readonly north: number;
    readonly east: number;
  };
  readonly unitsPerDegree: number;
  readonly lines: {
    readonly class: "motorway" | "main" | "street" | "service" | "path";
    readonly points: number[];
    readonly name?: string;
  }[];
}

export interface Ticket {
  readonly ticket: string;
  readonly expiresAt: string;
  readonly webSocketUrl: string;
  readonly eventStreamUrl?: string;
}

export interface TimeWindow {
  readonly startsAt: string;
  readonly endsAt: string;
}

export interface TraccarMessage {
  readonly device_id: string;
  readonly location?: {
    readonly timestamp?: string;
    readonly coords?: {
      readonly latitude: number;
      readonly longitude: number;
      readonly accuracy?: number;
      readonly heading?: number;
      readonly speed?: number;
      readonly [name: string]: unknown;
    };
    readonly [name: string]: unknown;
  };
  readonly [name: string]: unknown;
}

export type TrackFrame =
  | {
    readonly type: "snapshot" | "reset";
    readonly epoch: string;
    readonly seq: number;
    readonly order: TrackedOrder;
    readonly position: TrackPosition | null;
    readonly parcelPosition: TrackPosition | null;
  }
  | {
    readonly type: "resumed";
    readonly epoch: string;
    readonly seq: number;
    readonly recovered: true;
  }
  | {
    readonly type: "status";
    readonly epoch: string;
    readonly seq: number;
    readonly at: string;
    readonly version: number;
    readonly status: OrderState;
  }
  | {
    readonly type: "courier";
    readonly epoch: string;
    readonly seq: number;
    readonly at: string;
    readonly version: number;
    readonly courier: TrackedCourier | null;
  }
  | {
    readonly type: "position";
    readonly epoch: string;
    readonly seq: number;
    readonly position: TrackPosition;
  }
  | {
    readonly type: "parcel_position";
    readonly epoch: string;
    readonly seq: number;
    readonly position: TrackPosition;
  };

export interface TrackPosition {
  readonly lat: number;
  readonly lon: number;
  readonly accuracyM?: number;
  readonly headingDeg?: number;
  readonly speedMps?: number;
  readonly recordedAt: string;
}

export interface TrackedCourier {
  readonly name: string;
  readonly vehicle: Vehicle;
}

export interface TrackedOrder {
  readonly id: string;
  readonly regionId: string;
  readonly kind: OrderKind;
  readonly status: OrderState;
  readonly version: number;
  readonly stateTimes: Readonly<Record<string, string>>;
  readonly pickup: Place;
  readonly dropoff: Place;
  readonly estimatedDeliveryAt: string;
  readonly courier: TrackedCourier | null;
}

export interface Trip {
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly start: Point | null;
  readonly end: Point | null;
  readonly distanceM: number;
  readonly movingS: number;
  readonly standingS: number;
  readonly silentS: number;
  readonly averageSpeedMps: number | null;
  readonly maxSpeedMps: number | null;
  readonly stops: number;
  readonly positions: number;
}

export interface Unserviceable {
  readonly serviceable: false;
  readonly reason: {
    readonly code: string;
    readonly title: string;
    readonly detail?: string;
    readonly field?: string;
    readonly opensAt?: string | null;
  };
}

export interface UpdateMenuCategory {
  readonly name?: string;
  readonly sortOrder?: number;
}

export interface UpdateMenuItem {
  readonly name?: string;
  readonly description?: string;
  readonly categoryId?: string | null;
  readonly sortOrder?: number;
  readonly priceMinor?: number;
  readonly available?: boolean;
  readonly optionGroups?: {
    readonly id: string;
    readonly name: string;
    readonly minChoices?: number;
    readonly maxChoices?: number;
    readonly options: {
      readonly id: string;
      readonly name: string;
      readonly priceDeltaMinor?: number;
      readonly available?: boolean;
      readonly maxQuantity?: number;
    }[];
  }[];
}

export interface UpdateMerchant {
  readonly name?: string;
  readonly category?: string;
  readonly description?: string;
  readonly address?: string;
  readonly location?: Point;
  readonly preparationMinutes?: number;
  readonly timeZone?: string | null;
  readonly hours?: {
    readonly weekly: {
      readonly day: number;
      readonly opens: string;
      readonly closes: string;
    }[];
    readonly exceptions: {
      readonly date: string;
      readonly intervals: {
        readonly opens: string;
        readonly closes: string;
      }[];
    }[];
  } | null;
  readonly takesOrders?: boolean;
  readonly fleet?: "own" | "shared";
}

export type Vehicle = "bicycle" | "motorcycle" | "car" | "van" | "foot";

export interface Zone {
  readonly id: string;
  readonly regionId: string;
  readonly name: string;
  readonly ring: Point[];
  readonly priority: number;
  readonly fees: {
    readonly baseMinor?: number | null;
    readonly perKmMinor?: number | null;
    readonly surchargeMinor?: number;
    readonly minBasketMinor?: number;
    readonly peaks?: {
      readonly day: number;
      readonly opens: string;
      readonly closes: string;
      readonly label: string;
      readonly multiplierPercent?: number;
      readonly additionMinor?: number;
    }[];
  };
  readonly createdAt: string;
  readonly updatedAt: string;
}

export interface ZoneList {
  readonly items: Zone[];
}

/** What each operation takes and gives; `answer` is undefined where there is no body. */
export interface ApiOperations {
  readonly register: {
    readonly body: Register;
    readonly answer: Session;
  };
  readonly login: {
    readonly body: Login;
    readonly answer: Session;
  };
  readonly changePassword: {
    readonly body: PasswordChange;
    readonly answer: undefined;
  };
  readonly getOwnAccount: {
    readonly answer: Account;
  };
  readonly logout: {
    readonly answer: undefined;
  };
  readonly logoutEverywhere: {
    readonly answer: undefined;
  };
  readonly refreshSession: {
    readonly answer: RefreshedSession;
  };
  readonly listSessions: {
    readonly answer: OwnSessionList;
  };
  readonly endSession: {
    readonly path: {
      readonly id: string;
    };
    readonly answer: undefined;
  };
  readonly createAccessToken: {
    readonly answer: AccessToken;
  };
  readonly getKeySet: {
    readonly answer: JsonWebKeySet;
  };
  readonly rotateSigningKey: {
    readonly body: RotateSigningKey;
    readonly answer: RotatedSigningKey;
  };
  readonly createApiKey: {
    readonly body: NewApiKey;
    readonly answer: CreatedApiKey;
  };
  readonly listApiKeys: {
    readonly query?: {
      readonly limit?: number | undefined;
      readonly cursor?: string | undefined;
    };
    readonly answer: ApiKeyPage;
  };
  readonly revokeApiKey: {
    readonly path: {
      readonly id: string;
    };
    readonly answer: undefined;
  };
  readonly createStaffAccount: {
    readonly body: NewStaffAccount;
    readonly answer: Account;
  };
  readonly listAccounts: {
    readonly query?: {
      readonly role?: Role | undefined;
      readonly limit?: number | undefined;
      readonly cursor?: string | undefined;
    };
    readonly answer: ManagedAccountPage;
  };
  readonly suspendAccount: {
    readonly path: {
      readonly id: string;
    };
    readonly answer: ManagedAccount;
  };
  readonly reinstateAccount: {
    readonly path: {
      readonly id: string;
    };
    readonly answer: ManagedAccount;
  };
  readonly listAuditEntries: {
    readonly query?: {
      readonly actorAccountId?: string | undefined;
      readonly action?: string | undefined;
      readonly subjectKind?: string | undefined;
      readonly subjectId?: string | undefined;
      readonly from?: string | undefined;
      readonly to?: string | undefined;
      readonly limit?: number | undefined;
      readonly cursor?: string | undefined;
    };
    readonly answer: AuditEntryPage;
  };
  readonly listRegions: {
    readonly answer: RegionList;
  };
  readonly listMerchants: {
    readonly query?: {
      readonly lat?: number | undefined;
      readonly lon?: number | undefined;
      readonly radiusM?: number | undefined;
      readonly regionId?: string | undefined;
      readonly category?: string | undefined;
      readonly q?: string | undefined;
      readonly limit?: number | undefined;
      readonly cursor?: string | undefined;
    };
    readonly answer: MerchantPage;
  };
  readonly createMerchant: {
    readonly body: CreateMerchant;
    readonly answer: MerchantProfile;
  };
  readonly listCategories: {
    readonly query?: {
      readonly regionId?: string | undefined;
    };
    readonly answer: CategoryCountList;
  };
  readonly getMerchant: {
    readonly path: {
      readonly id: string;
    };
    readonly answer: MerchantDetails;
  };
  readonly updateMerchant: {
    readonly path: {
      readonly id: string;
    };
    readonly body: UpdateMerchant;
    readonly answer: MerchantProfile;
  };
  readonly deleteMerchant: {
    readonly path: {
      readonly id: string;
    };
    readonly answer: undefined;
  };
  readonly getMenu: {
    readonly path: {
      readonly id: string;
    };
    readonly answer: Menu;
  };
  readonly pauseMerchant: {
    readonly path: {
      readonly id: string;
    };
    readonly body: PauseMerchant;
    readonly answer: MerchantProfile;
  };
  readonly resumeMerchant: {
    readonly path: {
      readonly id: string;
    };
    readonly answer: MerchantProfile;
  };
  readonly listOwnMerchants: {
    readonly answer: MerchantProfileList;
  };
  readonly setCourierFleet: {
    readonly path: {
      readonly id: string;
    };
    readonly body: CourierFleet;
    readonly answer: undefined;
  };
  readonly createMenuItem: {
    readonly path: {
      readonly id: string;
    };
    readonly body: CreateMenuItem;
    readonly answer: MenuItem;
  };
  readonly updateMenuItem: {
    readonly path: {
      readonly id: string;
      readonly itemId: string;
    };
    readonly body: UpdateMenuItem;
    readonly answer: MenuItem;
  };
  readonly deleteMenuItem: {
    readonly path: {
      readonly id: string;
      readonly itemId: string;
    };
    readonly answer: undefined;
  };
  readonly createMenuCategory: {
    readonly path: {
      readonly id: string;
    };
    readonly body: CreateMenuCategory;
    readonly answer: MenuCategory;
  };
  readonly updateMenuCategory: {
    readonly path: {
      readonly id: string;
      readonly categoryId: string;
    };
    readonly body: UpdateMenuCategory;
    readonly answer: MenuCategory;
  };
  readonly deleteMenuCategory: {
    readonly path: {
      readonly id: string;
      readonly categoryId: string;
    };
    readonly answer: undefined;
  };
  readonly listZones: {
    readonly query: {
      readonly regionId: string;
    };
    readonly answer: ZoneList;
  };
  readonly createZone: {
    readonly body: CreateZone;
    readonly answer: Zone;
  };
  readonly getZone: {
    readonly path: {
      readonly id: string;
    };
    readonly answer: Zone;
  };
  readonly replaceZone: {
    readonly path: {
      readonly id: string;
    };
    readonly body: ReplaceZone;
    readonly answer: Zone;
  };
  readonly deleteZone: {
    readonly path: {
      readonly id: string;
    };
    readonly answer: undefined;
  };
  readonly createQuote: {
    readonly body: QuoteRequest;
    readonly answer: Unserviceable | Quote;
  };
  readonly placeOrder: {
    readonly body: PlaceOrder;
    readonly answer: Order;
  };
  readonly listOrders: {
    readonly query?: {
      readonly status?: OrderState | undefined;
      readonly merchantId?: string | undefined;
      readonly regionId?: string | undefined;
      readonly externalId?: string | undefined;
      readonly from?: string | undefined;
      readonly to?: string | undefined;
      readonly courierId?: string | undefined;
      readonly limit?: number | undefined;
      readonly cursor?: string | undefined;
    };
    readonly answer: OrderPage;
  };
  readonly placeOrders: {
    readonly body: PlaceOrders;
    readonly answer: PlacedOrders;
  };
  readonly reorder: {
    readonly path: {
      readonly id: string;
    };
    readonly body: Reorder;
    readonly answer: Order;
  };
  readonly getOrder: {
    readonly path: {
      readonly id: string;
    };
    readonly answer: Order;
  };
  readonly listOrderEvents: {
    readonly path: {
      readonly id: string;
    };
    readonly answer: OrderEventList;
  };
  readonly cancelOrder: {
    readonly path: {
      readonly id: string;
    };
    readonly body: CancelOrder;
    readonly answer: Order;
  };
  readonly raiseTip: {
    readonly path: {
      readonly id: string;
    };
    readonly body: RaiseTip;
    readonly answer: Order;
  };
  readonly rateCourier: {
    readonly path: {
      readonly id: string;
    };
    readonly body: Rating;
    readonly answer: undefined;
  };
  readonly rateMerchant: {
    readonly path: {
      readonly id: string;
    };
    readonly body: Rating;
    readonly answer: undefined;
  };
  readonly createTrackTicket: {
    readonly path: {
      readonly id: string;
    };
    readonly answer: Ticket;
  };
  readonly getOrderPosition: {
    readonly path: {
      readonly id: string;
    };
    readonly answer: OrderPosition;
  };
  readonly listOrderLocations: {
    readonly path: {
      readonly id: string;
    };
    readonly query?: {
      readonly format?: "json" | "geojson" | "gpx" | "csv" | undefined;
      readonly include?: "usual" | "all" | undefined;
      readonly limit?: number | undefined;
      readonly cursor?: string | undefined;
    };
    readonly answer: Locations;
  };
  readonly listCourierLocations: {
    readonly path: {
      readonly id: string;
    };
    readonly query: {
      readonly from: string;
      readonly to: string;
      readonly format?: "json" | "geojson" | "gpx" | "csv" | undefined;
      readonly include?: "usual" | "all" | undefined;
      readonly limit?: number | undefined;
      readonly cursor?: string | undefined;
    };
    readonly answer: Locations;
  };
  readonly getOrderTrip: {
    readonly path: {
      readonly id: string;
    };
    readonly answer: Trip;
  };
  readonly getCourierTrip: {
    readonly path: {
      readonly id: string;
    };
    readonly query: {
      readonly day: string;
    };
    readonly answer: Trip;
  };
  readonly createDeviceKey: {
    readonly path: {
      readonly id: string;
    };
    readonly body: NewDeviceKey;
    readonly answer: CreatedApiKey;
  };
  readonly listDeviceKeys: {
    readonly path: {
      readonly id: string;
    };
    readonly answer: ApiKeyList;
  };
  readonly revokeDeviceKey: {
    readonly path: {
      readonly id: string;
      readonly keyId: string;
    };
    readonly answer: undefined;
  };
  readonly listParcelPositions: {
    readonly path: {
      readonly id: string;
    };
    readonly query?: {
      readonly limit?: number | undefined;
      readonly cursor?: string | undefined;
    };
    readonly answer: ParcelPositionPage;
  };
  readonly listMerchantOrders: {
    readonly query?: {
      readonly status?: OrderState | undefined;
      readonly merchantId?: string | undefined;
      readonly externalId?: string | undefined;
      readonly from?: string | undefined;
      readonly to?: string | undefined;
      readonly limit?: number | undefined;
      readonly cursor?: string | undefined;
    };
    readonly answer: OrderPage;
  };
  readonly confirmOrder: {
    readonly path: {
      readonly id: string;
    };
    readonly body?: OrderStep;
    readonly answer: Order;
  };
  readonly prepareOrder: {
    readonly path: {
      readonly id: string;
    };
    readonly body?: OrderStep;
    readonly answer: Order;
  };
  readonly markOrderReady: {
    readonly path: {
      readonly id: string;
    };
    readonly body?: OrderStep;
    readonly answer: Order;
  };
  readonly getOwnCourier: {
    readonly answer: Courier;
  };
  readonly updateOwnCourier: {
    readonly body: CourierProfile;
    readonly answer: Courier;
  };
  readonly getEarnings: {
    readonly answer: Earnings;
  };
  readonly getCourierStats: {
    readonly answer: CourierStats;
  };
  readonly goOnline: {
    readonly answer: Courier;
  };
  readonly goOnBreak: {
    readonly answer: Courier;
  };
  readonly goOffline: {
    readonly answer: Courier;
  };
  readonly createPositionTicket: {
    readonly answer: PositionTicket;
  };
  readonly createChannelTicket: {
    readonly answer: Ticket;
  };
  readonly listShifts: {
    readonly query?: {
      readonly from?: string | undefined;
      readonly to?: string | undefined;
    };
    readonly answer: ShiftList;
  };
  readonly planShift: {
    readonly body: PlanShift;
    readonly answer: Shift;
  };
  readonly cancelShift: {
    readonly path: {
      readonly id: string;
    };
    readonly answer: undefined;
  };
  readonly listOffers: {
    readonly answer: OfferList;
  };
  readonly acceptOffer: {
    readonly path: {
      readonly id: string;
    };
    readonly answer: Assignment;
  };
  readonly rejectOffer: {
    readonly path: {
      readonly id: string;
    };
    readonly body: Reason;
    readonly answer: undefined;
  };
  readonly listAssignments: {
    readonly answer: AssignmentList;
  };
  readonly listStops: {
    readonly answer: CourierStopList;
  };
  readonly reportArrival: {
    readonly path: {
      readonly id: string;
    };
    readonly body: Arrival;
    readonly answer: Order;
  };
  readonly reportPickedUp: {
    readonly path: {
      readonly id: string;
    };
    readonly body?: OrderStep;
    readonly answer: Order;
  };
  readonly reportInTransit: {
    readonly path: {
      readonly id: string;
    };
    readonly body?: OrderStep;
    readonly answer: Order;
  };
  readonly reportDelivered: {
    readonly path: {
      readonly id: string;
    };
    readonly body?: OrderStep;
    readonly answer: Order;
  };
  readonly reportFailedAttempt: {
    readonly path: {
      readonly id: string;
    };
    readonly body?: OrderStep;
    readonly answer: Order;
  };
  readonly reportReturning: {
    readonly path: {
      readonly id: string;
    };
    readonly body?: OrderStep;
    readonly answer: Order;
  };
  readonly reportReturned: {
    readonly path: {
      readonly id: string;
    };
    readonly body?: OrderStep;
    readonly answer: Order;
  };
  readonly listAttention: {
    readonly query?: {
      readonly regionId?: string | undefined;
      readonly limit?: number | undefined;
    };
    readonly answer: OrderList;
  };
  readonly listAlerts: {
    readonly query?: {
      readonly regionId?: string | undefined;
      readonly limit?: number | undefined;
      readonly cursor?: string | undefined;
    };
    readonly answer: AlertPage;
  };
  readonly acknowledgeOrder: {
    readonly path: {
      readonly id: string;
    };
    readonly body: Reason;
    readonly answer: Order;
  };
  readonly unassignOrder: {
    readonly path: {
      readonly id: string;
    };
    readonly body: Reason;
    readonly answer: Order;
  };
  readonly redispatchOrder: {
    readonly path: {
      readonly id: string;
    };
    readonly body: Reason;
    readonly answer: Order;
  };
  readonly reassignOrder: {
    readonly path: {
      readonly id: string;
    };
    readonly body: Reassign;
    readonly answer: Order;
  };
  readonly updateCourier: {
    readonly path: {
      readonly id: string;
    };
    readonly body: CourierProfileByDispatcher;
    readonly answer: Courier;
  };
  readonly failOrder: {
    readonly path: {
      readonly id: string;
    };
    readonly body?: OrderStep;
    readonly answer: Order;
  };
  readonly expireOrder: {
    readonly path: {
      readonly id: string;
    };
    readonly body?: OrderStep;
    readonly answer: Order;
  };
  readonly recordFailedAttempt: {
    readonly path: {
      readonly id: string;
    };
    readonly body?: OrderStep;
    readonly answer: Order;
  };
  readonly recordReturning: {
    readonly path: {
      readonly id: string;
    };
    readonly body?: OrderStep;
    readonly answer: Order;
  };
  readonly recordReturned: {
    readonly path: {
      readonly id: string;
    };
    readonly body?: OrderStep;
    readonly answer: Order;
  };
  readonly listNearestCouriers: {
    readonly query: {
      readonly lat: number;
      readonly lon: number;
      readonly radiusM?: number | undefined;
      readonly limit?: number | undefined;
      readonly regionId?: string | undefined;
      readonly vehicle?: Vehicle[] | undefined;
      readonly skill?: string[] | undefined;
      readonly minRating?: number | undefined;
      readonly minFreeCapacity?: number | undefined;
      readonly fleetMerchantId?: string | undefined;
    };
    readonly answer: NearestCouriers;
  };
  readonly getOpenApiDocument: {
    readonly answer: OpenApiDocument;
  };
  readonly getStreetMap: {
    readonly path: {
      readonly regionId: string;
    };
    readonly answer: StreetMap;
  };
  readonly getDemo: {
    readonly answer: Demo;
  };
  readonly getReferencePage: {
    readonly answer: string;
  };
  readonly getReferenceStyle: {
    readonly answer: string;
  };
  readonly sendPosition: {
    readonly body: Fix;
    readonly answer: FixAnswer;
  };
  readonly sendPositions: {
    readonly body: FixBatch;
    readonly answer: FixBatchAnswer;
  };
  readonly openPositionSocket: {
    readonly query?: {
      readonly ticket?: string | undefined;
    };
    readonly answer: undefined;
  };
  readonly sendOwnTracksMessage: {
    readonly body: OwnTracksMessage;
    readonly answer: OwnTracksAnswer;
  };
  readonly sendOsmAndPosition: {
    readonly query?: {
      readonly id?: string | undefined;
      readonly lat?: number | undefined;
      readonly lon?: number | undefined;
      readonly timestamp?: string | undefined;
      readonly accuracy?: number | undefined;
      readonly bearing?: number | undefined;
      readonly speed?: number | undefined;
    };
    readonly answer: undefined;
  };
  readonly postOsmAndPosition: {
    readonly query?: {
      readonly id?: string | undefined;
      readonly lat?: number | undefined;
      readonly lon?: number | undefined;
      readonly timestamp?: string | undefined;
      readonly accuracy?: number | undefined;
      readonly bearing?: number | undefined;
      readonly speed?: number | undefined;
    };
    readonly body: OsmAndForm;
    readonly answer: undefined;
  };
  readonly followOrder: {
    readonly path: {
      readonly id: string;
    };
    readonly query?: {
      readonly ticket?: string | undefined;
      readonly since?: string | undefined;
    };
    readonly answer: string;
  };
  readonly openCourierChannel: {
    readonly query?: {
      readonly ticket?: string | undefined;
    };
    readonly answer: undefined;
  };
}

/** Where each operation is. */
export const API_REQUESTS = {
  register: { method: "POST", path: "/api/v1/auth/register" },
  login: { method: "POST", path: "/api/v1/auth/login" },
  changePassword: { method: "POST", path: "/api/v1/auth/password" },
  getOwnAccount: { method: "GET", path: "/api/v1/me" },
  logout: { method: "POST", path: "/api/v1/auth/logout" },
  logoutEverywhere: { method: "POST", path: "/api/v1/auth/logout-everywhere" },
  refreshSession: { method: "POST", path: "/api/v1/auth/refresh" },
  listSessions: { method: "GET", path: "/api/v1/auth/sessions" },
  endSession: { method: "DELETE", path: "/api/v1/auth/sessions/{id}" },
  createAccessToken: { method: "POST", path: "/api/v1/auth/access-tokens" },
  getKeySet: { method: "GET", path: "/.well-known/jwks.json" },
  rotateSigningKey: { method: "POST", path: "/api/v1/admin/signing-keys" },
  createApiKey: { method: "POST", path: "/api/v1/api-keys" },
  listApiKeys: { method: "GET", path: "/api/v1/api-keys" },
  revokeApiKey: { method: "DELETE", path: "/api/v1/api-keys/{id}" },
  createStaffAccount: { method: "POST", path: "/api/v1/admin/accounts" },
  listAccounts: { method: "GET", path: "/api/v1/admin/accounts" },
  suspendAccount: { method: "POST", path: "/api/v1/admin/accounts/{id}/suspend" },
  reinstateAccount: { method: "POST", path: "/api/v1/admin/accounts/{id}/reinstate" },
  listAuditEntries: { method: "GET", path: "/api/v1/admin/audit" },
  listRegions: { method: "GET", path: "/api/v1/regions" },
  listMerchants: { method: "GET", path: "/api/v1/merchants" },
  createMerchant: { method: "POST", path: "/api/v1/merchants" },
  listCategories: { method: "GET", path: "/api/v1/categories" },
  getMerchant: { method: "GET", path: "/api/v1/merchants/{id}" },
  updateMerchant: { method: "PATCH", path: "/api/v1/merchants/{id}" },
  deleteMerchant: { method: "DELETE", path: "/api/v1/merchants/{id}" },
  getMenu: { method: "GET", path: "/api/v1/merchants/{id}/menu" },
  pauseMerchant: { method: "POST", path: "/api/v1/merchants/{id}/pause" },
  resumeMerchant: { method: "POST", path: "/api/v1/merchants/{id}/resume" },
  listOwnMerchants: { method: "GET", path: "/api/v1/merchant/merchants" },
  setCourierFleet: { method: "PUT", path: "/api/v1/admin/couriers/{id}/fleet" },
  createMenuItem: { method: "POST", path: "/api/v1/merchants/{id}/menu/items" },
  updateMenuItem: { method: "PATCH", path: "/api/v1/merchants/{id}/menu/items/{itemId}" },
  deleteMenuItem: { method: "DELETE", path: "/api/v1/merchants/{id}/menu/items/{itemId}" },
  createMenuCategory: { method: "POST", path: "/api/v1/merchants/{id}/menu/categories" },
  updateMenuCategory: {
    method: "PATCH",
    path: "/api/v1/merchants/{id}/menu/categories/{categoryId}",
  },
  deleteMenuCategory: {
    method: "DELETE",
    path: "/api/v1/merchants/{id}/menu/categories/{categoryId}",
  },
  listZones: { method: "GET", path: "/api/v1/admin/zones" },
  createZone: { method: "POST", path: "/api/v1/admin/zones" },
  getZone: { method: "GET", path: "/api/v1/admin/zones/{id}" },
  replaceZone: { method: "PUT", path: "/api/v1/admin/zones/{id}" },
  deleteZone: { method: "DELETE", path: "/api/v1/admin/zones/{id}" },
  createQuote: { method: "POST", path: "/api/v1/quotes" },
  placeOrder: { method: "POST", path: "/api/v1/orders" },
  listOrders: { method: "GET", path: "/api/v1/orders" },
  placeOrders: { method: "POST", path: "/api/v1/orders/batch" },
  reorder: { method: "POST", path: "/api/v1/orders/{id}/reorder" },
  getOrder: { method: "GET", path: "/api/v1/orders/{id}" },
  listOrderEvents: { method: "GET", path: "/api/v1/orders/{id}/events" },
  cancelOrder: { method: "POST", path: "/api/v1/orders/{id}/cancel" },
  raiseTip: { method: "POST", path: "/api/v1/orders/{id}/tip" },
  rateCourier: { method: "POST", path: "/api/v1/orders/{id}/ratings/courier" },
  rateMerchant: { method: "POST", path: "/api/v1/orders/{id}/ratings/merchant" },
  createTrackTicket: { method: "POST", path: "/api/v1/orders/{id}/track-tickets" },
  getOrderPosition: { method: "GET", path: "/api/v1/orders/{id}/position" },
  listOrderLocations: { method: "GET", path: "/api/v1/orders/{id}/locations" },
  listCourierLocations: { method: "GET", path: "/api/v1/couriers/{id}/locations" },
  getOrderTrip: { method: "GET", path: "/api/v1/orders/{id}/trip" },
  getCourierTrip: { method: "GET", path: "/api/v1/couriers/{id}/trip" },
  createDeviceKey: { method: "POST", path: "/api/v1/orders/{id}/device-keys" },
  listDeviceKeys: { method: "GET", path: "/api/v1/orders/{id}/device-keys" },
  revokeDeviceKey: { method: "DELETE", path: "/api/v1/orders/{id}/device-keys/{keyId}" },
  listParcelPositions: { method: "GET", path: "/api/v1/orders/{id}/parcel-positions" },
  listMerchantOrders: { method: "GET", path: "/api/v1/merchant/orders" },
  confirmOrder: { method: "POST", path: "/api/v1/merchant/orders/{id}/confirm" },
  prepareOrder: { method: "POST", path: "/api/v1/merchant/orders/{id}/prepare" },
  markOrderReady: { method: "POST", path: "/api/v1/merchant/orders/{id}/ready" },
  getOwnCourier: { method: "GET", path: "/api/v1/courier/me" },
  updateOwnCourier: { method: "PATCH", path: "/api/v1/courier/me" },
  getEarnings: { method: "GET", path: "/api/v1/courier/earnings" },
  getCourierStats: { method: "GET", path: "/api/v1/courier/stats" },
  goOnline: { method: "POST", path: "/api/v1/courier/online" },
  goOnBreak: { method: "POST", path: "/api/v1/courier/pause" },
  goOffline: { method: "POST", path: "/api/v1/courier/offline" },
  createPositionTicket: { method: "POST", path: "/api/v1/courier/position-tickets" },
  createChannelTicket: { method: "POST", path: "/api/v1/courier/channel-tickets" },
  listShifts: { method: "GET", path: "/api/v1/courier/shifts" },
  planShift: { method: "POST", path: "/api/v1/courier/shifts" },
  cancelShift: { method: "DELETE", path: "/api/v1/courier/shifts/{id}" },
  listOffers: { method: "GET", path: "/api/v1/courier/offers" },
  acceptOffer: { method: "POST", path: "/api/v1/courier/offers/{id}/accept" },
  rejectOffer: { method: "POST", path: "/api/v1/courier/offers/{id}/reject" },
  listAssignments: { method: "GET", path: "/api/v1/courier/assignments" },
  listStops: { method: "GET", path: "/api/v1/courier/stops" },
  reportArrival: { method: "POST", path: "/api/v1/courier/orders/{id}/arrived" },
  reportPickedUp: { method: "POST", path: "/api/v1/courier/orders/{id}/picked-up" },
  reportInTransit: { method: "POST", path: "/api/v1/courier/orders/{id}/in-transit" },
  reportDelivered: { method: "POST", path: "/api/v1/courier/orders/{id}/delivered" },
  reportFailedAttempt: { method: "POST", path: "/api/v1/courier/orders/{id}/failed-attempt" },
  reportReturning: { method: "POST", path: "/api/v1/courier/orders/{id}/returning" },
  reportReturned: { method: "POST", path: "/api/v1/courier/orders/{id}/returned" },
  listAttention: { method: "GET", path: "/api/v1/dispatcher/queue" },
  listAlerts: { method: "GET", path: "/api/v1/dispatcher/alerts" },
  acknowledgeOrder: { method: "POST", path: "/api/v1/dispatcher/orders/{id}/acknowledge" },
  unassignOrder: { method: "POST", path: "/api/v1/dispatcher/orders/{id}/unassign" },
  redispatchOrder: { method: "POST", path: "/api/v1/dispatcher/orders/{id}/redispatch" },
  reassignOrder: { method: "POST", path: "/api/v1/dispatcher/orders/{id}/reassign" },
  updateCourier: { method: "PATCH", path: "/api/v1/dispatcher/couriers/{id}" },
  failOrder: { method: "POST", path: "/api/v1/dispatcher/orders/{id}/fail" },
  expireOrder: { method: "POST", path: "/api/v1/dispatcher/orders/{id}/expire" },
  recordFailedAttempt: { method: "POST", path: "/api/v1/dispatcher/orders/{id}/failed-attempt" },
  recordReturning: { method: "POST", path: "/api/v1/dispatcher/orders/{id}/returning" },
  recordReturned: { method: "POST", path: "/api/v1/dispatcher/orders/{id}/returned" },
  listNearestCouriers: { method: "GET", path: "/api/v1/couriers/nearest" },
  getOpenApiDocument: { method: "GET", path: "/api/v1/openapi.json" },
  getStreetMap: { method: "GET", path: "/api/v1/map/{regionId}" },
  getDemo: { method: "GET", path: "/api/v1/demo" },
  getReferencePage: { method: "GET", path: "/api/v1/docs" },
  getReferenceStyle: { method: "GET", path: "/api/v1/docs/reference.css" },
  sendPosition: { method: "POST", path: "/api/v1/courier/location" },
  sendPositions: { method: "POST", path: "/api/v1/courier/locations" },
  openPositionSocket: { method: "GET", path: "/api/v1/courier/positions" },
  sendOwnTracksMessage: { method: "POST", path: "/api/v1/devices/owntracks" },
  sendOsmAndPosition: { method: "GET", path: "/api/v1/devices/osmand" },
  postOsmAndPosition: { method: "POST", path: "/api/v1/devices/osmand" },
  followOrder: { method: "GET", path: "/api/v1/orders/{id}/track" },
  openCourierChannel: { method: "GET", path: "/api/v1/courier/channel" },
} as const satisfies Record<keyof ApiOperations, { method: string; path: string }>;
