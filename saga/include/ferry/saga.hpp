#pragma once
// Sagas: several steps at several services that are all done, or undone. The log in SQLite is "ferry/saga/sqlite_store.hpp".

#include "ferry/saga/definition.hpp"
#include "ferry/saga/error.hpp"
#include "ferry/saga/record.hpp"
#include "ferry/saga/runner.hpp"
#include "ferry/saga/store.hpp"
