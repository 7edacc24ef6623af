/* SPDX-License-Identifier: MIT
 * locate.c - from a path to the weight files of a model */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../stream/record.h"
#include "config.h"

/* OpenCLIP's own order of preference first, then Hugging Face's */
static const char *const weight_files[] = {
	"open_clip_model.safetensors",
	"open_clip_pytorch_model.safetensors",
	"model.safetensors",
};

#define INDEX_FILE "model.safetensors.index.json"

static int
path_of(char out[4096], const char *folder, const char *name, struct adds_error *err)
{
	if (snprintf(out, 4096, "%s/%s", folder, name) >= 4096)
		return adds_fail(err, ADDS_ELIMIT, "path '%s' is too long", folder);
	return 0;
}

static int
ends_with(const char *s, const char *end)
{
	const size_t n = strlen(s), m = strlen(end);

	return n > m && strcmp(s + n - m, end) == 0;
}

/* The files of a model cut into shards: the values of "weight_map", each once. */
static int
add_shards(struct adds_weights *w, const char *folder, const char *path, struct adds_error *err)
{
	const char *seen[ADDS_WEIGHTS_MAX_FILES];
	char file[4096], *text;
	const cJSON *v;
	size_t len;
	cJSON *json;
	int i, n = 0, rc = 0;

	if (!(text = adds_read_file(path, ADDS_WEIGHTS_MAX_HEADER, &len, err)))
		return err ? err->code : ADDS_EIO;
	json = adds_json_parse(text, len, ADDS_WEIGHTS_MAX_HEADER, path, err);
	free(text);
	if (!json)
		return err ? err->code : ADDS_EFORMAT;
	cJSON_ArrayForEach(v, cJSON_GetObjectItemCaseSensitive(json, "weight_map"))
	{
		if (!cJSON_IsString(v) || strchr(v->valuestring, '/') || v->valuestring[0] == '.') {
			rc = adds_fail(err, ADDS_EFORMAT, "%s: weight_map.%s is not the name of a file", path, v->string);
			break;
		}
		for (i = 0; i < n && strcmp(seen[i], v->valuestring) != 0; i++)
			;
		if (i < n)
			continue;
		if (n == ADDS_WEIGHTS_MAX_FILES) {
			rc = adds_fail(err, ADDS_ELIMIT, "%s: more than %d files", path, n);
			break;
		}
		seen[n++] = v->valuestring;
		if ((rc = path_of(file, folder, v->valuestring, err)) < 0 || (rc = adds_weights_add(w, file, err)) < 0)
			break;
	}
	cJSON_Delete(json);
	if (rc == 0 && n == 0)
		rc = adds_fail(err, ADDS_EFORMAT, "%s: 'weight_map' names no file", path);
	return rc;
}

/* what else lies in a folder without a weight file of a known name */
struct finds {
	char other[256]; /* the last *.safetensors */
	int others;
	char pickle[256];
	int openclip; /* an OpenCLIP configuration, or pickle, lies there */
};

static int
look(struct finds *f, const char *folder, struct adds_error *err)
{
	static const char *const pickles[] = { ".bin", ".pt", ".pth", ".ckpt" };
	const struct dirent *e;
	DIR *d;
	size_t i;

	memset(f, 0, sizeof(*f));
	if (!(d = opendir(folder)))
		return adds_fail_errno(err, "cannot open '%s'", folder);
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		if (ends_with(e->d_name, ".safetensors")) {
			snprintf(f->other, sizeof(f->other), "%s", e->d_name);
			f->others++;
		}
		for (i = 0; i < sizeof(pickles) / sizeof(pickles[0]); i++)
			if (ends_with(e->d_name, pickles[i]) && (!f->pickle[0] || strcmp(e->d_name, f->pickle) < 0))
				snprintf(f->pickle, sizeof(f->pickle), "%s", e->d_name);
		f->openclip |= strncmp(e->d_name, "open_clip", 9) == 0;
	}
	closedir(d);
	return 0;
}

static int
add_other(struct adds_weights *w, const char *folder, struct adds_clip_notes *notes, struct adds_error *err)
{
	struct finds f;
	char path[4096];
	const char *wanted;
	int rc;

	if ((rc = look(&f, folder, err)) < 0)
		return rc;
	wanted = f.openclip ? weight_files[0] : weight_files[2];
	if (f.others == 1) {
		if ((rc = path_of(path, folder, f.other, err)) < 0)
			return rc;
		adds_clip_note(notes, "weights: '%s'", path);
		return adds_weights_add(w, path, err);
	}
	if (f.others > 1)
		return adds_fail(err, ADDS_EARG,
		                 "'%s' holds %d weight files and none is named as usual: name one of them ('%s/%s', …)", folder,
		                 f.others, folder, f.other);
	if (f.pickle[0])
		return adds_fail(
			err, ADDS_EFORMAT,
			"'%s' holds weights only as a pickle ('%s'), which can run code when it is read: fetch '%s' from "
			"the same repository instead",
			folder, f.pickle, wanted);
	return adds_fail(err, ADDS_EFORMAT,
	                 "'%s' holds no weights: '%s' (OpenCLIP) or '%s' (Hugging Face) is wanted there", folder,
	                 weight_files[0], weight_files[2]);
}

static int
add_folder(struct adds_weights *w, const char *folder, struct adds_clip_notes *notes, struct adds_error *err)
{
	char path[4096];
	size_t i;
	int rc;

	for (i = 0; i < sizeof(weight_files) / sizeof(weight_files[0]); i++) {
		if ((rc = path_of(path, folder, weight_files[i], err)) < 0)
			return rc;
		if (access(path, F_OK) != 0)
			continue;
		adds_clip_note(notes, "weights: '%s'", path);
		return adds_weights_add(w, path, err);
	}
	if ((rc = path_of(path, folder, INDEX_FILE, err)) < 0)
		return rc;
	if (access(path, F_OK) == 0) {
		adds_clip_note(notes, "weights: the files of '%s'", path);
		return add_shards(w, folder, path, err);
	}
	return add_other(w, folder, notes, err);
}

int
adds_clip_folder_of(char folder[4096], const char *path, struct adds_error *err)
{
	struct stat st;
	char *slash;
	size_t n;

	if (strlen(path) >= 4000)
		return adds_fail(err, ADDS_ELIMIT, "path '%.64s…' is too long", path);
	if (stat(path, &st) < 0)
		return adds_fail_errno(err, "cannot open model '%s'", path);
	strcpy(folder, path);
	if (S_ISDIR(st.st_mode)) {
		for (n = strlen(folder); n > 1 && folder[n - 1] == '/'; n--)
			folder[n - 1] = '\0';
		return 1;
	}
	if ((slash = strrchr(folder, '/')) != NULL)
		slash[slash == folder] = '\0';
	else
		strcpy(folder, ".");
	return 0;
}

int
adds_clip_locate(struct adds_weights *w, char folder[4096], const char *path, struct adds_clip_notes *notes,
                 struct adds_error *err)
{
	const int rc = adds_clip_folder_of(folder, path, err);

	if (rc)
		return rc < 0 ? rc : add_folder(w, folder, notes, err);
	if (ends_with(path, ".bin") || ends_with(path, ".pt") || ends_with(path, ".pth") || ends_with(path, ".ckpt"))
		return adds_fail(
			err, ADDS_EFORMAT,
			"'%s' is a pickle, which can run code when it is read: fetch the .safetensors file instead",
			path);
	adds_clip_note(notes, "weights: '%s'", path);
	return adds_weights_add(w, path, err);
}
