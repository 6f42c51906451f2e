#ifndef FERRY_SPI_PLUGIN_H
#define FERRY_SPI_PLUGIN_H
/* The C entry of a plugin: a constant descriptor, read before anything in the plugin runs. */

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FERRY_PLUGIN_MAGIC 0x46455252u /* "FERR" */
#define FERRY_SPI_VERSION 8u           /* raised whenever a header in spi/ changes its meaning or layout */

typedef struct ferry_plugin_descriptor {
  uint32_t magic;           /* FERRY_PLUGIN_MAGIC; first for all time */
  uint32_t spi_version;     /* second for all time */
  const char* fingerprint;  /* what decides whether C++ objects may cross; compared whole */
  const char* kind;         /* "transport" or "serializer" */
  const char* name;         /* "tcp" */
  const char* version;      /* of the plugin */
  void* (*make)(void);      /* a new ferry::spi::Transport* or ferry::spi::Serializer*; may throw */
} ferry_plugin_descriptor;

#define FERRY_PLUGIN_ENTRY "ferry_plugin_entry"
typedef const ferry_plugin_descriptor* (*ferry_plugin_entry_function)(void);

#ifdef __cplusplus
}
#endif
#endif
