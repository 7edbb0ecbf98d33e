#!/usr/bin/env node
import { buildProgram } from './program.ts';
import { runProgram } from './run-program.ts';

process.exitCode = await runProgram(buildProgram(process.env), process.argv);
