"""Data loading as torchvision's documentation has it: a folder of classes, Pillow, transforms, worker processes."""
import torch
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Seconds until a worker that says nothing is an error.
PATIENCE = 60


class Loading:
    def __init__(self, row, path, workers):
        size = row["input"][1]
        view = transforms.Compose([
            transforms.Resize(256), transforms.CenterCrop(size),
            transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
        self.loader = DataLoader(
            ImageFolder(f"{path}.pictures", view), batch_size=row["batch"], num_workers=workers,
            persistent_workers=workers > 0, timeout=PATIENCE if workers > 0 else 0)

    def step(self):
        """A pass over all pictures; the first batch."""
        first, *_ = [images for images, _ in self.loader]
        return first
