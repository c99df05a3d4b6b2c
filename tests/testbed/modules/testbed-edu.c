// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest's driver for QEMU's teaching device "edu" (1234:11e8), which works only where registers, DMA and
 * interrupts all do. Writing "msi" or "intx" to a device's attribute "test" computes a factorial and moves
 * data to the device and back, each finished by an interrupt of that kind; the write fails when a step does.
 * Trusts the device. Lock: test_lock, one test at a time.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/dma-mapping.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/random.h>

#define EDU_ID		0x00
#define EDU_LIVENESS	0x04
#define EDU_FACTORIAL	0x08
#define EDU_STATUS	0x20
#define   EDU_COMPUTING		0x01
#define   EDU_STATUS_IRQ	0x80
#define EDU_IRQ_STATUS	0x24
#define   EDU_IRQ_FACTORIAL	0x001
#define   EDU_IRQ_DMA		0x100
#define EDU_IRQ_RAISE	0x60
#define EDU_IRQ_ACK	0x64
#define EDU_DMA_SOURCE	0x80
#define EDU_DMA_DEST	0x88
#define EDU_DMA_COUNT	0x90
#define EDU_DMA_COMMAND	0x98
#define   EDU_DMA_START		0x1
#define   EDU_DMA_TO_MEMORY	0x2
#define   EDU_DMA_IRQ		0x4

/* The device's own memory, in its own addresses. */
#define EDU_BUFFER	0x40000
#define EDU_BYTES	2048
#define LIMIT		(20 * HZ)

struct edu {
	struct pci_dev *pdev;
	void __iomem *regs;
	u8 *memory;		/* EDU_BYTES to go, EDU_BYTES to come back */
	dma_addr_t bus;
	struct completion raised;
	u32 seen;		/* what the device gave as the interrupt's cause */
	unsigned int interrupts;
};

static DEFINE_MUTEX(test_lock);

static irqreturn_t edu_interrupt(int irq, void *data)
{
	struct edu *edu = data;
	u32 cause = ioread32(edu->regs + EDU_IRQ_STATUS);

	if (!cause)
		return IRQ_NONE;
	iowrite32(cause, edu->regs + EDU_IRQ_ACK);
	edu->seen = cause;
	edu->interrupts++;
	complete(&edu->raised);
	return IRQ_HANDLED;
}

static int edu_await(struct edu *edu, u32 cause, const char *what)
{
	if (!wait_for_completion_timeout(&edu->raised, LIMIT)) {
		dev_err(&edu->pdev->dev, "%s: no interrupt\n", what);
		return -ETIMEDOUT;
	}
	if (edu->seen != cause) {
		dev_err(&edu->pdev->dev, "%s: interrupt's cause is %#x instead of %#x\n", what,
			edu->seen, cause);
		return -EIO;
	}
	return 0;
}

static int edu_registers(struct edu *edu)
{
	u32 id = ioread32(edu->regs + EDU_ID), live = get_random_u32(), got;

	if ((id & 0xffff) != 0x00ed) {
		dev_err(&edu->pdev->dev, "identification is %#x\n", id);
		return -EIO;
	}
	iowrite32(live, edu->regs + EDU_LIVENESS);
	got = ioread32(edu->regs + EDU_LIVENESS);
	if (got != ~live) {
		dev_err(&edu->pdev->dev, "liveness: %#x for %#x\n", got, live);
		return -EIO;
	}
	return 0;
}

static int edu_factorial(struct edu *edu)
{
	u32 got;
	int err;

	iowrite32(EDU_STATUS_IRQ, edu->regs + EDU_STATUS);
	iowrite32(10, edu->regs + EDU_FACTORIAL);
	err = edu_await(edu, EDU_IRQ_FACTORIAL, "factorial");
	iowrite32(0, edu->regs + EDU_STATUS);
	if (err)
		return err;
	got = ioread32(edu->regs + EDU_FACTORIAL);
	if (got != 3628800) {
		dev_err(&edu->pdev->dev, "10! is not %u\n", got);
		return -EIO;
	}
	return 0;
}

static int edu_raise(struct edu *edu)
{
	iowrite32(0x5a5a, edu->regs + EDU_IRQ_RAISE);
	return edu_await(edu, 0x5a5a, "interrupt on demand");
}

static int edu_move(struct edu *edu, u64 from, u64 to, u32 direction, const char *what)
{
	writeq(from, edu->regs + EDU_DMA_SOURCE);
	writeq(to, edu->regs + EDU_DMA_DEST);
	writeq(EDU_BYTES, edu->regs + EDU_DMA_COUNT);
	writeq(EDU_DMA_START | EDU_DMA_IRQ | direction, edu->regs + EDU_DMA_COMMAND);
	return edu_await(edu, EDU_IRQ_DMA, what);
}

static int edu_dma(struct edu *edu)
{
	u8 *back = edu->memory + EDU_BYTES;
	int err;

	get_random_bytes(edu->memory, EDU_BYTES);
	memset(back, 0, EDU_BYTES);
	err = edu_move(edu, edu->bus, EDU_BUFFER, 0, "DMA to the device");
	if (!err)
		err = edu_move(edu, EDU_BUFFER, edu->bus + EDU_BYTES, EDU_DMA_TO_MEMORY,
			       "DMA from the device");
	if (!err && memcmp(edu->memory, back, EDU_BYTES)) {
		dev_err(&edu->pdev->dev, "what came back by DMA is not what went\n");
		err = -EIO;
	}
	return err;
}

static int edu_test(struct edu *edu, bool msi)
{
	int err;

	if (msi) {
		err = pci_enable_msi(edu->pdev);
		if (err) {
			dev_err(&edu->pdev->dev, "no MSI: %d\n", err);
			return err;
		}
	}
	reinit_completion(&edu->raised);
	edu->interrupts = 0;
	err = request_irq(edu->pdev->irq, edu_interrupt, msi ? 0 : IRQF_SHARED, KBUILD_MODNAME, edu);
	if (err) {
		dev_err(&edu->pdev->dev, "interrupt %d: %d\n", edu->pdev->irq, err);
		goto no_msi;
	}
	err = edu_registers(edu) ?: edu_factorial(edu) ?: edu_raise(edu) ?: edu_dma(edu);
	free_irq(edu->pdev->irq, edu);
	if (!err && edu->interrupts != 4) {
		dev_err(&edu->pdev->dev, "%u interrupts instead of 4\n", edu->interrupts);
		err = -EIO;
	}
	dev_info(&edu->pdev->dev, "%s by interrupt %d: %s\n", msi ? "MSI" : "INTx", edu->pdev->irq,
		 err ? "FAIL" : "PASS (registers, factorial, 4 interrupts, DMA both ways)");
no_msi:
	if (msi)
		pci_disable_msi(edu->pdev);
	return err;
}

static ssize_t test_store(struct device *dev, struct device_attribute *attr, const char *buf,
			  size_t count)
{
	struct edu *edu = dev_get_drvdata(dev);
	bool msi = sysfs_streq(buf, "msi");
	int err;

	if (!msi && !sysfs_streq(buf, "intx"))
		return -EINVAL;
	mutex_lock(&test_lock);
	err = edu_test(edu, msi);
	mutex_unlock(&test_lock);
	return err ?: count;
}
static DEVICE_ATTR_WO(test);

static struct attribute *edu_attrs[] = { &dev_attr_test.attr, NULL };
ATTRIBUTE_GROUPS(edu);

static int edu_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct edu *edu = devm_kzalloc(&pdev->dev, sizeof(*edu), GFP_KERNEL);
	int err;

	if (!edu)
		return -ENOMEM;
	edu->pdev = pdev;
	init_completion(&edu->raised);
	err = pcim_enable_device(pdev);
	if (!err)
		err = pcim_iomap_regions(pdev, BIT(0), KBUILD_MODNAME);
	if (!err)
		err = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (err)
		return err;
	edu->regs = pcim_iomap_table(pdev)[0];
	edu->memory = dmam_alloc_coherent(&pdev->dev, 2 * EDU_BYTES, &edu->bus, GFP_KERNEL);
	if (!edu->memory)
		return -ENOMEM;
	pci_set_master(pdev);
	pci_set_drvdata(pdev, edu);
	return 0;
}

static void edu_remove(struct pci_dev *pdev)
{
	pci_clear_master(pdev);
}

static const struct pci_device_id edu_ids[] = {
	{ PCI_DEVICE(0x1234, 0x11e8) },
	{ }
};
MODULE_DEVICE_TABLE(pci, edu_ids);

static struct pci_driver edu_driver = {
	.name = KBUILD_MODNAME,
	.id_table = edu_ids,
	.probe = edu_probe,
	.remove = edu_remove,
	.dev_groups = edu_groups,
};
module_pci_driver(edu_driver);

MODULE_DESCRIPTION("Test driver for QEMU's edu device");
MODULE_LICENSE("GPL");
