// The native part of the nodes. It has no state of its own, so any number of threads can load it.
#include "arguments.h"

// Raised with load.ts's, whenever a name or an argument changes: a file built before the change is then not used.
constexpr int kInterface = 1;

NAPI_MODULE_INIT(/* napi_env env, napi_value exports */) {
  napi_value interface;
  napi_create_int32(env, kInterface, &interface);
  napi_set_named_property(env, exports, "interface", interface);
  herd::DefineAead(env, exports);
  herd::DefineDatagrams(env, exports);
  return exports;
}
