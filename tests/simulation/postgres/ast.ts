/** What the parser makes of SQL text: the part of the language that the simulated code uses. */

export type Expression =
  | { readonly kind: "literal"; readonly value: unknown; readonly type?: string }
  | { readonly kind: "parameter"; readonly index: number }
  | { readonly kind: "column"; readonly table?: string; readonly name: string }
  | {
    readonly kind: "call";
    readonly name: string;
    readonly args: readonly Expression[];
    readonly isStar: boolean;
  }
  | {
    readonly kind: "binary";
    readonly op: string;
    readonly left: Expression;
    readonly right: Expression;
  }
  | { readonly kind: "not" | "negate"; readonly operand: Expression }
  | { readonly kind: "is_null"; readonly operand: Expression; readonly isNegated: boolean }
  | {
    readonly kind: "distinct";
    readonly left: Expression;
    readonly right: Expression;
    readonly isNegated: boolean;
  }
  | {
    readonly kind: "any";
    readonly op: string;
    readonly left: Expression;
    readonly array: Expression;
  }
  | {
    readonly kind: "in";
    readonly left: Expression;
    readonly list: readonly Expression[];
    readonly isNegated: boolean;
  }
  | {
    readonly kind: "case";
    readonly operand?: Expression;
    readonly whens: readonly { readonly when: Expression; readonly then: Expression }[];
    readonly otherwise?: Expression;
  }
  | { readonly kind: "cast"; readonly operand: Expression; readonly type: string }
  | { readonly kind: "exists" | "scalar" | "array_of"; readonly select: Select }
  | { readonly kind: "array"; readonly items: readonly Expression[] };

export interface SelectItem {
  readonly expression: Expression;
  readonly alias?: string;
}

export type FromItem =
  | { readonly kind: "table"; readonly table: string; readonly alias: string }
  | {
    readonly kind: "unnest";
    readonly args: readonly Expression[];
    readonly alias: string;
    readonly columns: readonly string[];
    readonly withOrdinality: boolean;
  };

export type LockMode = "share" | "update";

export interface OrderTerm {
  readonly expression: Expression;
  readonly isDescending: boolean;
}

export interface Select {
  readonly kind: "select";
  readonly distinctOn?: readonly Expression[];
  readonly items: readonly SelectItem[];
  readonly from?: FromItem;
  readonly where?: Expression;
  readonly orderBy: readonly OrderTerm[];
  readonly limit?: Expression;
  readonly lock?: { readonly mode: LockMode; readonly skipLocked: boolean };
  readonly unionAll?: Select;
}

export interface Assignment {
  readonly column: string;
  readonly value: Expression;
}

export interface OnConflict {
  /** Absent: any unique rule. */
  readonly columns?: readonly string[];
  /** Absent: do nothing. */
  readonly update?: { readonly sets: readonly Assignment[]; readonly where?: Expression };
}

export interface Insert {
  readonly kind: "insert";
  readonly table: string;
  readonly columns: readonly string[];
  readonly values?: readonly (readonly Expression[])[];
  readonly select?: Select;
  readonly onConflict?: OnConflict;
  readonly returning: readonly SelectItem[];
}

export interface Update {
  readonly kind: "update";
  readonly table: string;
  readonly alias: string;
  readonly sets: readonly Assignment[];
  readonly where?: Expression;
  readonly returning: readonly SelectItem[];
}

export interface Delete {
  readonly kind: "delete";
  readonly table: string;
  readonly alias: string;
  readonly where?: Expression;
  readonly returning: readonly SelectItem[];
}

/** `with a as (...), b as (...) ...` */
export interface With {
  readonly kind: "with";
  readonly parts: readonly { readonly name: string; readonly statement: SqlStatement }[];
  readonly main: SqlStatement;
}

export type SqlStatement = Select | Insert | Update | Delete | With;
