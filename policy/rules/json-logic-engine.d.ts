/** The part of json-logic-engine 5.0.7 that is used; the package's own types do not resolve under NodeNext. */
declare module 'json-logic-engine' {
  /** A piece of generated code: an object whose one member has the symbol `json_logic_compiled`. */
  export interface CompiledCode {
    readonly [compiled: symbol]: string;
  }

  export interface BuildState {
    /** Functions become references, pieces of code are inlined, anything else is compiled as logic or printed as JSON. */
    compile(strings: TemplateStringsArray, ...parts: readonly unknown[]): CompiledCode;
  }

  export interface Method {
    lazy: boolean;
    deterministic: boolean;
    compile(args: readonly unknown[], state: BuildState): CompiledCode;
  }

  export class LogicEngine {
    constructor(methods: object, options: { disableInline: boolean; disableInterpretedOptimization: boolean });
    methods: Record<string, Method>;
    build(logic: unknown): (context: unknown) => unknown;
  }
}
