// A library like any other: FERRY_SERIALIZER_PLUGIN(...) was forgotten.

extern "C" __attribute__((visibility("default"))) int something_else() { return 7; }
