/* The runtime of packed 1-bit models.
 *
 * Build, from the root of the project:
 *
 *     cargo rustc --release --lib --no-default-features --crate-type staticlib
 *     cc src/deploy/c/example.c target/release/libonebit.a -Wl,--gc-sections -lpthread -ldl -lm -o example
 *
 * --gc-sections leaves out what the program does not call: half of it. A program elsewhere adds -I src/deploy/c.
 *
 * A model may be used by one thread at a time; several models are independent of each other.
 */
#ifndef ONEBIT_H
#define ONEBIT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct OnebitModel OnebitModel;

/* Loads a packed model (onebit export RUN -o model.1bit). NULL if that fails; see onebit_error. */
OnebitModel *onebit_load(const char *path, size_t threads);

/* Loads a model of masks and the base that they are on (onebit export RUN -o model.1bit --base base.1bit). */
OnebitModel *onebit_load_masked(const char *path, const char *base, size_t threads);

/* Rows, columns and channels of the images that it takes. */
void onebit_input(const OnebitModel *model, size_t shape[3]);

/* What transparent pixels of pictures are laid on before they become its images: 255 for white, 0 for black. */
uint8_t onebit_background(const OnebitModel *model);

/* Numbers that it gives for an image. */
size_t onebit_outputs(const OnebitModel *model);

/* The name of a class, as long as the model lives; NULL if it has none. */
const char *onebit_class(const OnebitModel *model, size_t number);

/* Runs the model on an image of `bytes` bytes in the order of rows, columns and channels. Writes onebit_outputs numbers.
 * The number of the largest one, or -1; see onebit_error. */
int64_t onebit_run(OnebitModel *model, const uint8_t *image, size_t bytes, float *outputs);

/* Gives the model back. */
void onebit_free(OnebitModel *model);

/* What went wrong last on this thread; valid until the next call. */
const char *onebit_error(void);

#ifdef __cplusplus
}
#endif

#endif
