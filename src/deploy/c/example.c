/* Names the class of an image by a packed model:  example model.1bit image.pgm
 *
 * The image is a binary PGM (grey) or PPM (colour) of the model's size. */
#include "onebit.h"

#include <stdio.h>
#include <stdlib.h>

/* The pixels of a binary PGM or PPM of that size; NULL if the file is something else. */
static uint8_t *read_image(const char *path, const size_t shape[3]) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fprintf(stderr, "%s: cannot be opened\n", path);
        return NULL;
    }
    unsigned height = 0, width = 0, most = 0;
    char kind = 0;
    size_t bytes = shape[0] * shape[1] * shape[2];
    uint8_t *pixels = NULL;
    if (fscanf(file, "P%c %u %u %u", &kind, &width, &height, &most) == 4 && fgetc(file) != EOF && most == 255
        && kind == (shape[2] == 1 ? '5' : '6') && height == shape[0] && width == shape[1]) {
        pixels = malloc(bytes);
        if (pixels != NULL && fread(pixels, 1, bytes, file) != bytes) {
            free(pixels);
            pixels = NULL;
        }
    }
    fclose(file);
    if (pixels == NULL) {
        fprintf(stderr, "%s: a binary %s of %zux%zu is wanted\n", path, shape[2] == 1 ? "PGM" : "PPM", shape[1], shape[0]);
    }
    return pixels;
}

int main(int count, char **arguments) {
    if (count != 3) {
        fprintf(stderr, "usage: %s MODEL.1bit IMAGE.pgm\n", arguments[0]);
        return 2;
    }
    OnebitModel *model = onebit_load(arguments[1], 1);
    if (model == NULL) {
        fprintf(stderr, "%s\n", onebit_error());
        return 2;
    }
    size_t shape[3];
    onebit_input(model, shape);
    uint8_t *image = read_image(arguments[2], shape);
    float *outputs = malloc(onebit_outputs(model) * sizeof *outputs);
    int status = 2;
    if (image != NULL && outputs != NULL) {
        int64_t best = onebit_run(model, image, shape[0] * shape[1] * shape[2], outputs);
        if (best < 0) {
            fprintf(stderr, "%s\n", onebit_error());
        } else {
            const char *name = onebit_class(model, (size_t)best);
            printf("%lld %s %f\n", (long long)best, name != NULL ? name : "", outputs[best]);
            status = 0;
        }
    }
    free(outputs);
    free(image);
    onebit_free(model);
    return status;
}
