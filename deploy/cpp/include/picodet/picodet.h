/* picodet::Detector for C and for languages that call C. No function throws; messages are one line. */
#ifndef PICODET_PICODET_H
#define PICODET_PICODET_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define PICODET_C_API
#else
#define PICODET_C_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct picodet_detector picodet_detector;

enum { PICODET_BGR, PICODET_RGB, PICODET_BGRA, PICODET_RGBA, PICODET_GRAY };

typedef struct {
  const uint8_t* data;
  int32_t width, height;
  int32_t format; /* PICODET_BGR, ... */
  size_t stride;  /* bytes from one row to the next; 0: rows follow each other */
} picodet_image;

typedef struct {
  float x1, y1, x2, y2; /* pixels of the image */
  float score;          /* 0..1 */
  int32_t class_id;
} picodet_detection;

/* Loads a model: the folder of an export, or a file of it.
   backend: its name; NULL: auto. threads: that compute the network; 0: one for each processor core.
   threshold: lowest score; below 0: the model's own.
   Returns NULL after a mistake, whose message it writes to `error` [error_size], which may be NULL. */
PICODET_C_API picodet_detector* picodet_create(const char* model, const char* backend, int32_t threads, float threshold,
                                               char* error, size_t error_size);
PICODET_C_API void picodet_destroy(picodet_detector* detector); /* NULL is allowed */

/* Detects in one image; threads may share a detector. Writes the most confident objects, at most `capacity`, to `found`.
   Returns the number of all objects, or -1 after a mistake. */
PICODET_C_API int64_t picodet_detect(picodet_detector* detector, const picodet_image* image, picodet_detection* found,
                                     size_t capacity, char* error, size_t error_size);

/* Without a detector (NULL): 0 classes, and NULL. */
PICODET_C_API int32_t picodet_num_classes(const picodet_detector* detector);
PICODET_C_API const char* picodet_label(const picodet_detector* detector, int32_t class_id); /* NULL: no such class */
PICODET_C_API const char* picodet_backend(const picodet_detector* detector);
PICODET_C_API const char* picodet_version(void);

#ifdef __cplusplus
}
#endif

#endif /* PICODET_PICODET_H */
