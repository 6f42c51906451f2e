// validate.mjs FILE: {"schema": ..., "documents": [...]} in, one array of complaints a document out; [] if it is valid.
import { readFileSync } from 'node:fs';
import Ajv from 'ajv/dist/2020.js';

const { schema, documents } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
// Strict: a keyword that is misspelt, or does nothing, is an error. Patterns that hold for strings only are meant.
const ajv = new Ajv({ allErrors: true, strict: true, strictTypes: false, strictRequired: false });
const validate = ajv.compile(schema);
const complaints = documents.map((document) =>
  validate(document) ? [] : validate.errors.map((error) => `${error.instancePath}: ${error.message}`));
console.log(JSON.stringify(complaints));
